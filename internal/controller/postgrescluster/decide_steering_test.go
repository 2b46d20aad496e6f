package postgrescluster

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile/management"
)

func TestWhoSteersTheCluster(t *testing.T) {
	unmanaged := contract.Override{Group: "postgres.timonier.io", Kind: "PostgresCluster", Name: "shop", Unmanaged: true}
	for name, tc := range map[string]struct {
		change  func(*steeringFacts)
		state   contract.ManagementState
		reason  string
		resumes bool
		pending bool
	}{
		"Timonier, where nothing is said":          {func(*steeringFacts) {}, contract.Managed, v1alpha1.ReasonManaged, false, false},
		"a person, by the spec":                    {func(f *steeringFacts) { f.spec.ManagementState = contract.Unmanaged }, contract.Unmanaged, v1alpha1.ReasonUnmanaged, false, false},
		"a person, by an override":                 {func(f *steeringFacts) { f.platform.Overrides = []contract.Override{unmanaged} }, contract.Unmanaged, v1alpha1.ReasonUnmanaged, false, false},
		"Timonier again, once it is handed back":   {func(f *steeringFacts) { f.former = contract.Unmanaged }, contract.Managed, v1alpha1.ReasonManaged, true, false},
		"Timonier, until its removal is confirmed": {func(f *steeringFacts) { f.spec.ManagementState = contract.Removed }, contract.Managed, v1alpha1.ReasonManaged, false, true},
		"a person still, until its removal is confirmed": {func(f *steeringFacts) {
			f.spec.ManagementState, f.former, f.formerBy = contract.Removed, contract.Unmanaged, bySpec
		}, contract.Unmanaged, v1alpha1.ReasonUnmanaged, false, true},
		"Timonier again, once the Platform says no more": {func(f *steeringFacts) {
			f.spec.ManagementState, f.former, f.formerBy = contract.Removed, contract.Unmanaged, "spec.managementState of the Platform"
		}, contract.Managed, v1alpha1.ReasonManaged, true, true},
		"Timonier, once what kept a newer minor off is gone": {func(f *steeringFacts) {
			f.spec.ManagementState, f.former, f.formerBy, f.version = contract.Removed, contract.Unmanaged, "spec.overrides of the Platform, for Service/shop-rw", "v1.3.0"
		}, contract.Managed, v1alpha1.ReasonManaged, true, true},
		"nobody, with a newer minor, until it is": {func(f *steeringFacts) {
			f.spec.ManagementState, f.former, f.formerBy, f.version = contract.Removed, contract.Unmanaged, bySpec, "v1.3.0"
		}, contract.Unmanaged, v1alpha1.ReasonOperatorNewer, false, true},
		"nobody, once it is": {func(f *steeringFacts) { f.spec.ManagementState, f.spec.RemovalConfirmation = contract.Removed, "shop" }, contract.Removed, v1alpha1.ReasonRemoved, false, false},
		"a person, whatever the confirmation says": {func(f *steeringFacts) {
			f.spec.ManagementState, f.spec.RemovalConfirmation = contract.Removed, "shop"
			f.platform.State = contract.Unmanaged
		}, contract.Unmanaged, v1alpha1.ReasonUnmanaged, false, false},
		"a person, with an operator of a newer minor":   {func(f *steeringFacts) { f.spec.ManagementState, f.version = contract.Unmanaged, "v1.3.0" }, contract.Unmanaged, v1alpha1.ReasonOperatorNewer, false, false},
		"nobody, with one and a child that is left":     {func(f *steeringFacts) { f.leftAlone, f.version = []string{"Service/shop-rw"}, "v1.3.0" }, contract.Unmanaged, v1alpha1.ReasonOperatorNewer, false, false},
		"nobody, with one and a child that is held":     {func(f *steeringFacts) { f.held, f.version = []string{"Service/shop-rw"}, "v1.3.0" }, contract.Unmanaged, v1alpha1.ReasonOperatorNewer, false, false},
		"Timonier, with a newer patch and such a child": {func(f *steeringFacts) { f.leftAlone, f.version = []string{"Service/shop-rw"}, "v1.2.1" }, contract.Managed, v1alpha1.ReasonManaged, false, false},
		"Timonier, with a newer minor and no such":      {func(f *steeringFacts) { f.version = "v1.3.0" }, contract.Managed, v1alpha1.ReasonManaged, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			facts := steeringFacts{resource: management.Resource{Group: "postgres.timonier.io", Kind: "PostgresCluster", Namespace: "sales", Name: "shop"}, last: "v1.2.0", version: "v1.2.0", former: contract.Managed}
			tc.change(&facts)
			got := decideSteering(facts)
			if got.state != tc.state || got.reason != tc.reason || got.resumes != tc.resumes || got.pending != tc.pending {
				t.Errorf("decided %+v", got)
			}
			if got.state == contract.Unmanaged && (got.by == "" || !strings.Contains(got.message, "left alone") && !strings.Contains(got.message, "hands off")) {
				t.Errorf("it does not say by what: %+v", got)
			}
		})
	}
}

func TestTheGenerationThatWasLastBroughtIntoForceStaysWhileTheClusterIsLeftAlone(t *testing.T) {
	s := newScope(&v1alpha1.PostgresCluster{}, time.Unix(1000, 0))
	status := &v1alpha1.PostgresClusterStatus{}
	s.cluster.Generation, s.steering = 4, steering{state: contract.Managed, reason: v1alpha1.ReasonManaged}
	s.setSteering(status, "v1", false)
	if status.Management.HonouredGeneration != 0 {
		t.Errorf("it is not reached yet, and the status says %d", status.Management.HonouredGeneration)
	}
	s.setSteering(status, "v1", true)
	s.cluster.Generation, s.steering = 5, steering{state: contract.Unmanaged, reason: v1alpha1.ReasonUnmanaged, message: "hands off"}
	s.setSteering(status, "v1", true)
	managed := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionManaged)
	if status.Management.HonouredGeneration != 4 || managed == nil || !strings.Contains(managed.Message, "Generation 4 of the spec was the last that was brought into force, and this is 5") {
		t.Errorf("the status says %d, and %+v", status.Management.HonouredGeneration, managed)
	}
}

func TestThatAnotherVersionManagedWhatIsLeftAloneIsSaidForAsLongAsItIs(t *testing.T) {
	alone := []string{"Service/shop-rw"}
	for name, tc := range map[string]struct {
		last, before string
		unmanaged    bool
		leftAlone    []string
		want         string
	}{
		"another patch version has managed it":           {"v1.2.1", "", false, alone, "v1.2.1"},
		"in the next round this one has":                 {"v1.2.0", "v1.2.1", false, alone, "v1.2.1"},
		"a third one takes over":                         {"v1.2.2", "v1.2.1", false, alone, "v1.2.1"},
		"the whole cluster is left alone":                {"v1.2.1", "", true, nil, "v1.2.1"},
		"it is handed back":                              {"v1.2.0", "v1.2.1", false, nil, ""},
		"this version has managed it from the start":     {"v1.2.0", "", false, alone, ""},
		"nothing is left alone, whatever the version is": {"v1.2.1", "", false, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			facts := steeringFacts{resource: management.Resource{Kind: "PostgresCluster", Name: "shop"}, last: tc.last, before: tc.before, version: "v1.2.0", leftAlone: tc.leftAlone}
			if tc.unmanaged {
				facts.spec.ManagementState = contract.Unmanaged
			}
			got := decideSteering(facts)
			if got.takenOverFrom != tc.want || (tc.want != "") != strings.Contains(got.message, "by version "+tc.want+" of the operator, and this is v1.2.0") {
				t.Errorf("warns of %q: %s", got.takenOverFrom, got.message)
			}
		})
	}
}
