package postgrescluster

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/reconcile"
)

func TestWhatWasNotLookedAtStaysInTheStatus(t *testing.T) {
	cluster := &v1alpha1.PostgresCluster{Spec: v1alpha1.PostgresClusterSpec{Version: "17"}, Status: v1alpha1.PostgresClusterStatus{
		SystemIdentifier:   "7711010913629491224",
		Image:              &v1alpha1.ImageStatus{Reference: "postgres:17", Version: "17.6"},
		RejectedParameters: &v1alpha1.RejectedParameters{Revision: "a-b", Instance: "c-1", Message: "too much"},
		Roles:              []v1alpha1.ObjectStatus{{Name: "app", State: "Failed", Message: "told"}},
		Databases:          []v1alpha1.ObjectStatus{{Name: "app", State: "Unlisted", Message: "told"}},
	}}
	nothingSeen := newScope(cluster, time.Unix(0, 0))
	after := nothingSeen.status(cluster.Status, reconcile.Verdict{}, "v1")
	for _, kept := range []struct{ was, is any }{
		{cluster.Status.SystemIdentifier, after.SystemIdentifier}, {cluster.Status.Image, after.Image},
		{cluster.Status.RejectedParameters, after.RejectedParameters},
		{cluster.Status.Roles, after.Roles}, {cluster.Status.Databases, after.Databases},
	} {
		if diff := cmp.Diff(kept.was, kept.is); diff != "" {
			t.Errorf("changed without a look (-was +is):\n%s", diff)
		}
	}

	seen := newScope(cluster, time.Unix(0, 0))
	seen.access = &instanceapi.AccessReport{Databases: []instanceapi.ObjectReport{{Name: "other", State: instanceapi.ObjectRefused, Message: "no"}}}
	if _, problem := (&Reconciler{}).decideConfiguration(t.Context(), seen); problem != nil {
		t.Fatal(problem)
	}
	after = seen.status(cluster.Status, reconcile.Verdict{}, "v1")
	want := []v1alpha1.ObjectStatus{{Name: "other", State: "Refused", Message: "no"}}
	if after.RejectedParameters != nil || after.Roles != nil || !cmp.Equal(after.Databases, want) {
		t.Errorf("what is true now does not take its place: %+v", after)
	}
}

func TestTheFirstLookAtAClusterIsNoReasonToWriteItsPositionsAgain(t *testing.T) {
	key, start := types.NamespacedName{Namespace: "sales", Name: "shop"}, time.Unix(1000, 0)
	remembered := &written{}
	if remembered.longAgo(key, start) || remembered.longAgo(key, start.Add(time.Minute)) {
		t.Error("the operator before this one may have written them just now")
	}
	if !remembered.longAgo(key, start.Add(61*time.Second)) {
		t.Error("a minute is over")
	}
}

func TestALookAtAClusterAtRestComesBehindWhatSomebodyWaitsFor(t *testing.T) {
	s := &scope{now: time.Now()}
	rest, busy := next(s, reconcile.Verdict{}), next(s, reconcile.Verdict{Waiting: &reconcile.WaitError{}, RequeueAfter: time.Second})
	if *rest.Priority >= *busy.Priority || *rest.Priority <= reconcile.LowPriority {
		t.Errorf("at rest %d, busy %d, offenders %d", *rest.Priority, *busy.Priority, reconcile.LowPriority)
	}
	if rest.RequeueAfter < lookAgainAfter || busy.RequeueAfter != time.Second {
		t.Errorf("at rest after %s, busy after %s", rest.RequeueAfter, busy.RequeueAfter)
	}
}
