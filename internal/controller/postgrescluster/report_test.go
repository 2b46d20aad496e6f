package postgrescluster

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

func TestTheFirstLookAtAClusterIsNoReasonToWriteWhatIsNoState(t *testing.T) {
	key, start := types.NamespacedName{Namespace: "sales", Name: "shop"}, time.Unix(1000, 0)
	remembered := &written{}
	if remembered.longAgo(key, start) || remembered.longAgo(key, start.Add(time.Minute)) {
		t.Error("the operator before this one may have written them just now")
	}
	if !remembered.longAgo(key, start.Add(61*time.Second)) {
		t.Error("a minute is over")
	}
}

func TestPositionsAreNoReasonToWriteTheStatusAndALagIsOnceItHasDoubledOrHalved(t *testing.T) {
	const unit = v1alpha1.UsualLagBytes
	of := func(position string, lag *int64) v1alpha1.PostgresClusterStatus {
		return v1alpha1.PostgresClusterStatus{Instances: []v1alpha1.InstanceStatus{{Name: "c-1", Position: position, LagBytes: lag}}}
	}
	for _, tc := range []struct {
		what     string
		was, is  *int64
		position string
		want     bool
	}{
		{"its position moves", new(int64(0)), new(int64(0)), "0/9", false},
		{"it is as far behind as is usual", new(int64(0)), new(2*unit - 1), "0/9", false},
		{"it falls behind", new(int64(5)), new(2 * unit), "0/9", true},
		{"it falls behind somewhat more", new(2 * unit), new(4*unit - 1), "0/9", false},
		{"it falls behind twice as far", new(2 * unit), new(4 * unit), "0/9", true},
		{"it catches up to half of it", new(4 * unit), new(2 * unit), "0/9", true},
		{"it catches up", new(2 * unit), new(int64(7)), "0/9", true},
		{"it streams no more", new(int64(0)), nil, "0/1", true},
		{"it streams", nil, new(int64(0)), "0/1", true},
	} {
		if got := worthWriting(of("0/1", tc.was), of(tc.position, tc.is)); got != tc.want {
			t.Errorf("%s: %t", tc.what, got)
		}
	}
	joined := of("0/1", new(int64(0)))
	joined.Instances[0].Name = "c-2"
	if !worthWriting(of("0/1", new(int64(0))), joined) {
		t.Error("another instance is no news")
	}
}

func TestAnotherTextOfWhatIsTriedAgainIsNotedOnceAMinute(t *testing.T) {
	of := func(reason, message string) v1alpha1.PostgresClusterStatus {
		return v1alpha1.PostgresClusterStatus{Primary: "c-1", Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReconciling, Status: metav1.ConditionTrue, Reason: reason, Message: message}}}
	}
	was := of(v1alpha1.ReasonRetrying, "read tcp 10.0.0.1:40001: connection reset")
	is := of(v1alpha1.ReasonRetrying, "read tcp 10.0.0.1:40002: connection reset")
	if worthWriting(was, is) || !worthNoting(was, is) || worthNoting(was, was) {
		t.Error("each attempt is a state of its own, or none is told")
	}
	if !worthWriting(of(v1alpha1.ReasonStarting, "1 of 3"), of(v1alpha1.ReasonStarting, "2 of 3")) || !worthWriting(was, of(v1alpha1.ReasonStarting, "1 of 3")) {
		t.Error("what is waited for is a state")
	}
}

func TestPositionsAreNotedWhileNobodyLeads(t *testing.T) {
	of := func(primary, position string) v1alpha1.PostgresClusterStatus {
		return v1alpha1.PostgresClusterStatus{Primary: primary, Instances: []v1alpha1.InstanceStatus{{Name: "c-1", Position: position}}}
	}
	if !worthNoting(of("", "0/1"), of("", "0/2")) {
		t.Error("a copy that is still replaying looks as if it had ended")
	}
	if worthNoting(of("", "0/1"), of("", "0/1")) || worthNoting(of("c-2", "0/1"), of("c-2", "0/2")) {
		t.Error("they are noted where they stay, or while somebody leads")
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
