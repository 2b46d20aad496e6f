package postgrescluster

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile"
)

func TestWhichChangeOfAConditionIsTold(t *testing.T) {
	was := func(status metav1.ConditionStatus) *metav1.Condition { return &metav1.Condition{Status: status} }
	const few = v1alpha1.ReasonTooFewStandbys
	for _, test := range []struct {
		name, kind string
		was        *metav1.Condition
		is         metav1.ConditionStatus
		reason     string
		want       string
	}{
		{"ready is good news", v1alpha1.ConditionReady, was(metav1.ConditionFalse), metav1.ConditionTrue, "", "Normal"},
		{"not ready any more is told by the cause", v1alpha1.ConditionReady, was(metav1.ConditionTrue), metav1.ConditionFalse, "", ""},
		{"writes work", v1alpha1.ConditionAvailable, was(metav1.ConditionFalse), metav1.ConditionTrue, "", "Normal"},
		{"writes work no more", v1alpha1.ConditionAvailable, was(metav1.ConditionTrue), metav1.ConditionFalse, "", "Warning"},
		{"writes do not work yet", v1alpha1.ConditionAvailable, was(metav1.ConditionUnknown), metav1.ConditionFalse, "", ""},
		{"nothing was known before", v1alpha1.ConditionAvailable, nil, metav1.ConditionFalse, "", ""},
		{"a person must act", v1alpha1.ConditionStalled, nil, metav1.ConditionTrue, "", "Warning"},
		{"something is lost", v1alpha1.ConditionDegraded, nil, metav1.ConditionTrue, "", "Warning"},
		{"a person need not act any more", v1alpha1.ConditionStalled, was(metav1.ConditionTrue), metav1.ConditionFalse, "", ""},
		{"commits are safe", v1alpha1.ConditionSynchronous, was(metav1.ConditionFalse), metav1.ConditionTrue, "Met", "Normal"},
		{"too few standbys are left", v1alpha1.ConditionSynchronous, was(metav1.ConditionTrue), metav1.ConditionFalse, few, "Warning"},
		{"too few standbys are there yet", v1alpha1.ConditionSynchronous, was(metav1.ConditionFalse), metav1.ConditionFalse, few, ""},
		{"the quorum is changed as asked", v1alpha1.ConditionSynchronous, was(metav1.ConditionTrue), metav1.ConditionFalse, "Adjusting", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, told := severityOf(&metav1.Condition{Type: test.kind, Status: test.is, Reason: test.reason}, test.was)
			if told != (test.want != "") || (told && got != test.want) {
				t.Errorf("severity %q, told %v; want %q", got, told, test.want)
			}
		})
	}
}

func TestAFailoverIsToldOnceForItsTerm(t *testing.T) {
	took := int64(1500)
	of := func(term int64, duration *int64) *v1alpha1.AvailabilityStatus {
		return &v1alpha1.AvailabilityStatus{Term: term, LastFailover: &v1alpha1.FailoverStatus{To: "c-2", At: metav1.Unix(term*100, 0), DurationMilliseconds: duration}}
	}
	again := of(3, &took)
	again.Term = 5
	for _, test := range []struct {
		name          string
		before, after *v1alpha1.AvailabilityStatus
		want          bool
	}{
		{"a new term, and clients are in", of(3, &took), of(4, &took), true},
		{"a new term, and clients wait", of(3, &took), of(4, nil), false},
		{"clients are in now", of(4, nil), of(4, &took), true},
		{"it was told", of(4, &took), of(4, &took), false},
		{"a leader has written its Lease again, in another term", of(3, &took), again, false},
		{"the first term", &v1alpha1.AvailabilityStatus{}, &v1alpha1.AvailabilityStatus{Term: 1}, false},
		{"the first one after the first term", &v1alpha1.AvailabilityStatus{Term: 1}, of(2, &took), true},
		{"looked at for the first time", nil, of(4, &took), false},
	} {
		if got := newlyLed(test.before, test.after); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
}

func TestOneInstanceMoreThatIsMissingHandsOffIsToldAndOneLessIsNot(t *testing.T) {
	for change, told := range map[[2]string]bool{
		{"2 of 3, hands off: by a", "1 of 3, hands off: by a"}: true,
		{"1 of 3, hands off: by a", "2 of 3, hands off: by a"}: false,
		{"2 of 3, hands off: by a", "2 of 3, hands off: by b"}: false,
		{"something else", "2 of 3, hands off: by a"}:          false,
	} {
		if got := fewer(change[1], change[0]); got != told {
			t.Errorf("%q, and then %q: %v", change[0], change[1], got)
		}
	}
}

func TestAClusterThatIsLeftAloneSaysWhatFailsOfIt(t *testing.T) {
	s := newScope(&v1alpha1.PostgresCluster{}, time.Unix(1000, 0))
	s.steering = steering{state: contract.Unmanaged, reason: v1alpha1.ReasonUnmanaged, message: "hands off"}
	for _, verdict := range []reconcile.Verdict{{Failed: errors.New("the certificates are refused")}, {}} {
		var conditions []metav1.Condition
		reconcile.SetConditions(&conditions, 1, verdict, v1alpha1.ReasonReady, "")
		s.setUnsteered(&conditions, verdict)
		busy, ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReconciling), meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
		if (busy != nil) != (verdict.Failed != nil) || ready.Status != metav1.ConditionUnknown {
			t.Errorf("%v: %+v", verdict.Failed, conditions)
		}
	}
}
