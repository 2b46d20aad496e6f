//go:build integration

package integration

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// workedOn waits until a cluster was worked on again, from beginning to end: what permits its instances something is made again where it is gone, and the
// round after that begins once this one is over.
func workedOn(t *testing.T, c client.Client, name string) {
	t.Helper()
	for range 2 {
		gone := exists[corev1.ServiceAccount](t, c, naming.ServiceAccount(name))
		if err := c.Delete(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		eventually(t, name+" is worked on", func() bool {
			made := &corev1.ServiceAccount{}
			return c.Get(t.Context(), key(gone.Name), made) == nil && made.UID != gone.UID
		})
	}
}

// handsOff waits until the cluster is stalled for a Secret that is left alone and missing, and looks that nothing takes its place.
func handsOff(t *testing.T, c client.Client, name, secret string) {
	t.Helper()
	eventually(t, name+" says that "+secret+" is left alone", func() bool {
		stalled := meta.FindStatusCondition(exists[v1alpha1.PostgresCluster](t, c, name).Status.Conditions, v1alpha1.ConditionStalled)
		return stalled != nil && stalled.Reason == v1alpha1.ReasonHandsOff && strings.Contains(stalled.Message, "Secret "+secret+" is left alone, by spec.overrides of the Platform") &&
			strings.Contains(stalled.Message, "remove the override")
	})
	workedOn(t, c, name)
	if err := c.Get(t.Context(), key(secret), &corev1.Secret{}); !apierrors.IsNotFound(err) {
		t.Errorf("Secret %s: %v; nothing is to take its place", secret, err)
	}
}

func TestNothingTakesThePlaceOfASecretThatIsLeftAloneUntilTheOverrideGoes(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "kept", "instances: 1")
	exists[corev1.Pod](t, c, "kept-1")
	role, authority := naming.RoleSecret("kept", naming.DefaultRole), naming.ClientCA("kept")
	password := exists[corev1.Secret](t, c, role)
	leftAlone := func(secrets ...string) {
		t.Helper()
		var overrides []contract.Override
		var shown []string
		for _, secret := range secrets {
			overrides = append(overrides, contract.Override{Kind: "Secret", Namespace: "shop", Name: secret, Unmanaged: true})
			shown = append(shown, "Secret/"+secret)
		}
		platformSays(t, c, platformv1alpha1.PlatformSpec{Overrides: overrides})
		eventually(t, "what is left alone is known", func() bool {
			alone := exists[v1alpha1.PostgresCluster](t, c, "kept").Status.Management.LeftAlone
			return !slices.ContainsFunc(shown, func(s string) bool { return !slices.Contains(alone, s) })
		})
	}

	leftAlone(role)
	if err := c.Delete(t.Context(), password); err != nil {
		t.Fatal(err)
	}
	handsOff(t, c, "kept", role)

	platformSays(t, c, platformv1alpha1.PlatformSpec{})
	if made := exists[corev1.Secret](t, c, role); made.UID == password.UID || len(made.Data["password"]) == 0 {
		t.Errorf("the role's Secret has %d keys", len(made.Data))
	}
	notStalled(t, c, "kept")

	published := exists[corev1.Secret](t, c, naming.Certificates("kept"))
	leftAlone(authority)
	if err := c.Delete(t.Context(), exists[corev1.Secret](t, c, authority)); err != nil {
		t.Fatal(err)
	}
	handsOff(t, c, "kept", authority)
	if now := exists[corev1.Secret](t, c, naming.Certificates("kept")); now.ResourceVersion != published.ResourceVersion {
		t.Error("certificates of another authority were published")
	}

	platformSays(t, c, platformv1alpha1.PlatformSpec{})
	exists[corev1.Secret](t, c, authority)
	notStalled(t, c, "kept")
	eventually(t, "certificates of the new authority", func() bool {
		return exists[corev1.Secret](t, c, naming.Certificates("kept")).ResourceVersion != published.ResourceVersion
	})
}

func TestALeaseThatIsLeftAloneAndMissingIsToldRatherThanTakenForDone(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "unelected", "instances: 1")
	exists[corev1.Pod](t, c, "unelected-1")
	name := naming.Lease("unelected")
	platformSays(t, c, platformv1alpha1.PlatformSpec{Overrides: []contract.Override{{Group: "coordination.k8s.io", Kind: "Lease", Namespace: "shop", Name: name, Unmanaged: true}}})
	eventually(t, "the Lease is known to be left alone", func() bool {
		return slices.Contains(exists[v1alpha1.PostgresCluster](t, c, "unelected").Status.Management.LeftAlone, "Lease/"+name)
	})
	if err := c.Delete(t.Context(), exists[coordinationv1.Lease](t, c, name)); err != nil {
		t.Fatal(err)
	}
	stalledFor(t, c, "unelected", v1alpha1.ReasonHandsOff)
	workedOn(t, c, "unelected")
	if err := c.Get(t.Context(), key(name), &coordinationv1.Lease{}); !apierrors.IsNotFound(err) {
		t.Errorf("the Lease: %v", err)
	}
	platformSays(t, c, platformv1alpha1.PlatformSpec{})
	exists[coordinationv1.Lease](t, c, name)
	notStalled(t, c, "unelected")
}

func TestAClusterThatIsLeftAloneForAWhileForgetsNoQuarantine(t *testing.T) {
	c := operatorRuns(t)
	forbidden(t, c, "away-ro")
	asked(t, c, "away", "instances: 1")
	before := quarantined(t, c, "away").Status.Quarantine[0]
	platformSays(t, c, platformv1alpha1.PlatformSpec{Overrides: []contract.Override{{Group: "postgres.timonier.io", Kind: "PostgresCluster", Namespace: "shop", Name: "away", Unmanaged: true}}})
	managed(t, c, "away", metav1.ConditionFalse, v1alpha1.ReasonUnmanaged)
	pass(24 * time.Hour)
	released(t, c, "away", "while it was left alone")
	lookedAgain(t, c, "away")
	found := managed(t, c, "away", metav1.ConditionFalse, v1alpha1.ReasonUnmanaged)
	if len(found.Status.Quarantine) != 1 || found.Status.Released != "" {
		t.Fatalf("it was left alone, and the status says %+v, released %q", found.Status.Quarantine, found.Status.Released)
	}
	if entry := found.Status.Quarantine[0]; entry.Since != before.Since || entry.Attempts != 0 || entry.Trying {
		t.Errorf("it was left alone, and became %+v", entry)
	}

	platformSays(t, c, platformv1alpha1.PlatformSpec{})
	eventually(t, "it is tried once it is handed back", func() bool {
		status := exists[v1alpha1.PostgresCluster](t, c, "away").Status
		return status.Released == "while it was left alone" && len(status.Quarantine) == 1 && status.Quarantine[0].Attempts == 1
	})
}

func TestWhatCannotBeObservedIsCountedAndToldAndNeverSuspended(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "blind", "instances: 1")
	exists[corev1.Pod](t, c, "blind-1")
	leases := func(rule rbacv1.PolicyRule) []rbacv1.PolicyRule {
		if slices.Contains(rule.Resources, "leases") {
			return nil
		}
		return []rbacv1.PolicyRule{rule}
	}
	restored := withRights(t, c, leases)
	found, failure := &v1alpha1.PostgresCluster{}, contract.Failure{}
	eventuallyWithin(t, time.Minute, "the failures to observe are counted", func() bool {
		pass(20 * time.Second)
		if c.Get(t.Context(), key("blind"), found) != nil {
			return false
		}
		// In between a round may have seen all, and failed to write the Lease: that stays counted too.
		for _, counted := range found.Status.Failures {
			if counted.Phase == "observe" {
				failure = counted
			}
		}
		return failure.Count > 10
	})
	if failure.Reason != "Forbidden" || !strings.Contains(failure.Message, "lease") {
		t.Errorf("it is told as %+v", failure)
	}
	if busy := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionReconciling); busy == nil || !strings.Contains(busy.Message, "observe: lease") {
		t.Errorf("Reconciling is %+v", busy)
	}
	restored()
	eventuallyWithin(t, time.Minute, "it is over", func() bool {
		pass(20 * time.Second)
		status := exists[v1alpha1.PostgresCluster](t, c, "blind").Status
		return len(status.Failures)+len(status.Quarantine) == 0
	})
	if told := events(t, c, "blind", v1alpha1.ReasonRetriesExhausted); len(told) != 0 {
		t.Errorf("it was suspended: %v", told)
	}

	specified(t, c, "blind", `{"managementState":"Unmanaged"}`)
	managed(t, c, "blind", metav1.ConditionFalse, v1alpha1.ReasonUnmanaged)
	restored = withRights(t, c, leases)
	eventuallyWithin(t, time.Minute, "left alone, it is told too", func() bool {
		pass(20 * time.Second)
		conditions := exists[v1alpha1.PostgresCluster](t, c, "blind").Status.Conditions
		busy, ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReconciling), meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
		return busy != nil && busy.Reason == v1alpha1.ReasonRetrying && strings.Contains(busy.Message, "observe: lease") && ready.Status == metav1.ConditionUnknown && ready.Reason == v1alpha1.ReasonUnmanaged
	})
	restored()
	eventuallyWithin(t, time.Minute, "it is over, left alone", func() bool {
		pass(20 * time.Second)
		status := exists[v1alpha1.PostgresCluster](t, c, "blind").Status
		return len(status.Failures) == 0 && meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReconciling) == nil
	})
}

// withRights changes each rule of what the operator may do, until that is taken back.
func withRights(t *testing.T, c client.Client, change func(rbacv1.PolicyRule) []rbacv1.PolicyRule) (restored func()) {
	t.Helper()
	role := &rbacv1.ClusterRole{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: "timonier-operator"}, role); err != nil {
		t.Fatal(err)
	}
	less := role.DeepCopy()
	less.Rules = nil
	for _, rule := range role.Rules {
		less.Rules = append(less.Rules, change(*rule.DeepCopy())...)
	}
	if err := c.Update(t.Context(), less); err != nil {
		t.Fatal(err)
	}
	role.ResourceVersion = ""
	t.Cleanup(func() { _ = c.Update(context.Background(), role.DeepCopy()) }) // a second time, where the test has ended well
	return func() {
		t.Helper()
		if err := c.Update(t.Context(), role.DeepCopy()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPodThatTheOperatorHasNoRightToMakeIsNotBlamedOnTheSpec(t *testing.T) {
	c := operatorRuns(t)
	restored := withRights(t, c, func(rule rbacv1.PolicyRule) []rbacv1.PolicyRule {
		i := slices.Index(rule.Resources, "pods")
		if i < 0 {
			return []rbacv1.PolicyRule{rule}
		}
		pods := *rule.DeepCopy()
		pods.Resources, pods.Verbs = []string{"pods"}, slices.DeleteFunc(pods.Verbs, func(verb string) bool { return verb == "create" })
		if rule.Resources = slices.Delete(rule.Resources, i, i+1); len(rule.Resources) == 0 {
			return []rbacv1.PolicyRule{pods}
		}
		return []rbacv1.PolicyRule{rule, pods}
	})
	asked(t, c, "rightless", "instances: 1")
	eventuallyWithin(t, time.Minute, "it fails by the operator's right", func() bool {
		status := exists[v1alpha1.PostgresCluster](t, c, "rightless").Status
		if stalled := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStalled); stalled != nil {
			t.Fatalf("it says %+v", stalled)
		}
		return slices.ContainsFunc(status.Failures, func(f contract.Failure) bool {
			return f.Phase == "instances" && f.Reason == "Forbidden" && strings.Contains(f.Message, `cannot create resource "pods"`)
		})
	})
	restored()
	exists[corev1.Pod](t, c, "rightless-1")
}
