package postgrescluster

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/wheel"
	"github.com/timonier-io/timonier/internal/reconcile/management"
)

func TestOnlyWhatWasToldByTheSameSpecIsPutBack(t *testing.T) {
	whole := func(generation int64) *v1alpha1.ToldDrift { return &v1alpha1.ToldDrift{Generation: generation} }
	children := func(generation int64, names ...string) *v1alpha1.ToldDrift {
		return &v1alpha1.ToldDrift{Generation: generation, Children: names}
	}
	for name, tc := range map[string]struct {
		handed, told *v1alpha1.ToldDrift
		want         bool
	}{
		"nothing was told":                       {whole(3), nil, false},
		"the cluster, by this spec":              {whole(3), whole(3), true},
		"the cluster, by a former spec":          {whole(3), whole(2), false},
		"the cluster, of which a child was told": {whole(3), children(3, "Service/shop-rw"), false},
		"a child, and it was told":               {children(3, "Service/shop-rw"), children(3, "Service/shop-rw"), true},
		"one of two that were told":              {children(3, "Service/shop-rw"), children(3, "Service/shop-ro", "Service/shop-rw"), true},
		"two, of which one was told":             {children(3, "Service/shop-ro", "Service/shop-rw"), children(3, "Service/shop-rw"), false},
		"a child, of a cluster that was told":    {children(3, "Service/shop-rw"), whole(3), false},
		"a child that was told, by another spec": {children(4, "Service/shop-rw"), children(3, "Service/shop-rw"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (&returning{*tc.handed}).covers(tc.told); got != tc.want {
				t.Errorf("told: %v", got)
			}
		})
	}
}

func TestWhatIsHandedBackIsWhatNobodyLeavesAloneAnyMore(t *testing.T) {
	cluster := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "shop", Generation: 3}}
	cluster.Status.Management.LeftAlone = []string{"Pod/shop-9", "PodDisruptionBudget/shop-instances", "Service/shop-ro", "Service/shop-rw"}
	s := newScope(cluster, time.Unix(0, 0))
	s.steering.state, s.leftAlone = contract.Managed, []string{"Service/shop-ro"}
	if diff := cmp.Diff([]string{"PodDisruptionBudget/shop-instances", "Service/shop-rw"}, s.handedBack().Children); diff != "" {
		t.Error(diff)
	}
	s.steering.state = contract.Unmanaged
	if handed := s.handedBack(); handed != nil {
		t.Errorf("of a cluster that is left alone %+v is handed back", handed)
	}
	s.steering.state, s.steering.resumes = contract.Managed, true
	if handed := s.handedBack(); handed == nil || handed.Children != nil {
		t.Errorf("of a cluster that is handed back as a whole: %+v", handed)
	}
}

func TestOfChildrenThatAreHandedBackThoseThatDifferAreHeld(t *testing.T) {
	cluster := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "shop", UID: "u"}}
	s := newScope(cluster, time.Unix(0, 0))
	s.told = &v1alpha1.ToldDrift{Children: []string{"Service/shop-ro", "Service/shop-rw"}}
	s.drift = []contract.Drift{{Kind: "Service", Name: "shop-rw", Field: "spec.type"}}
	r := &Reconciler{Held: &wheel.Held{}}
	if err := r.resume(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	r.holdBack(s)
	for name, held := range map[string]bool{"shop-rw": true, "shop-ro": false} {
		if got := r.Held.By(management.Resource{Kind: "Service", Namespace: "sales", Name: name}) != ""; got != held || (s.alone("Service", name) != "") != held {
			t.Errorf("%s is held: %v", name, got)
		}
	}
	if s.steering.reason != v1alpha1.ReasonDriftReported || !strings.Contains(s.steering.message, "Service/shop-rw") {
		t.Errorf("it says %+v", s.steering)
	}
	r.Held.Set("u", nil)
	if by := r.Held.By(management.Resource{Kind: "Service", Namespace: "sales", Name: "shop-rw"}); by != "" {
		t.Errorf("held by %s, after the end of it", by)
	}
}

func TestAnOverrideThatIsTakenAwayMeanwhileHoldsForTheRound(t *testing.T) {
	s := newScope(&v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "shop", UID: "u"}}, time.Unix(0, 0))
	s.leftAlone = []string{"Service/shop-rw"}
	r, service := &Reconciler{Held: &wheel.Held{}}, management.Resource{Kind: "Service", Namespace: "sales", Name: "shop-rw"}
	if err := r.resume(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if by := r.Held.By(service); !strings.Contains(by, "overrides") {
		t.Errorf("a write of this round would go through: %q", by)
	}
	s.leftAlone = nil
	if err := r.resume(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if by := r.Held.By(service); by != "" {
		t.Errorf("in the next round it is left alone, by %s", by)
	}
}

func TestADriftIsKeptWhereNobodyLookedForItAgain(t *testing.T) {
	found := []contract.Drift{{Kind: "Service", Name: "shop-rw", Field: "spec.type", Found: "NodePort"}}
	status := v1alpha1.PostgresClusterStatus{Management: v1alpha1.ManagementStatus{Drift: found, DriftedFields: 1, Told: &v1alpha1.ToldDrift{Generation: 3}}}
	s := newScope(&v1alpha1.PostgresCluster{}, time.Unix(0, 0))
	s.setDrift(&status)
	if diff := cmp.Diff(v1alpha1.ManagementStatus{Drift: found, DriftedFields: 1}, status.Management); diff != "" {
		t.Error(diff)
	}
}
