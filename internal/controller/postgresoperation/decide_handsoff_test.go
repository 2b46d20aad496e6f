package postgresoperation

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/reconcile/management"
)

func TestNothingIsDoneToAnInstanceWhosePodOrVolumeIsLeftAlone(t *testing.T) {
	cluster := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "c"}}
	cluster.Status.Management.LeftAlone = []string{"Service/c-rw", "PersistentVolumeClaim/c-3"}
	alone := leftAloneOf(cluster, []string{"c-1", "c-2", "c-3"}, []contract.Override{{Kind: "Pod", Namespace: "shop", Name: "c-2", Unmanaged: true}, {Kind: "Pod", Namespace: "other", Name: "c-1", Unmanaged: true}})
	if len(alone) != 2 || !strings.Contains(alone["c-2"], "Pod c-2 is left alone, by spec.overrides") || !strings.Contains(alone["c-3"], "PersistentVolumeClaim c-3") {
		t.Fatalf("left alone: %v", alone)
	}
	restart := func(name string) v1alpha1.PostgresOperationSpec {
		return v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRestart, Restart: &v1alpha1.RestartOperation{Instance: name}}
	}
	clone := func(name string) v1alpha1.PostgresOperationSpec {
		return v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationReinitialize, Reinitialize: &v1alpha1.ReinitializeOperation{Instance: name}}
	}
	for _, asked := range []struct {
		what    string
		spec    v1alpha1.PostgresOperationSpec
		refused bool
	}{
		{"a restart of it", restart("c-2"), true}, {"a restart of all", v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRestart}, true}, {"of another", restart("c-1"), false},
		{"a clone over its volume", clone("c-3"), true},
		// The lead is the instances' own: they hand it over and take it whoever steers.
		{"a switchover to it", v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationSwitchover, Switchover: &v1alpha1.SwitchoverOperation{To: "c-2"}}, false},
	} {
		w := newWorld(asked.spec)
		w.leftAlone = alone
		next := decide(w.facts)
		if refused := next.verb == verbRefuse && next.reason == v1alpha1.ReasonHandsOff; refused != asked.refused {
			t.Errorf("%s: %s %s: %s", asked.what, next.verb, next.reason, next.message)
		}
	}
}

func TestWhatIsLeftAloneOnlyAfterARestartWasBegunIsNotRestarted(t *testing.T) {
	w := newWorld(v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRestart})
	w.status.StartedAt, w.status.ClusterUID = at(w.now), w.cluster.uid
	w.status.From = &v1alpha1.OperationLeader{Instance: "c-1", Term: 4}
	w.status.Instances = []v1alpha1.OperationInstance{{Name: "c-2", State: v1alpha1.OperationInstanceDone}, {Name: "c-3", State: v1alpha1.OperationInstancePending, Since: at(w.now)}}
	w.leftAlone = map[string]string{"c-2": "Pod c-2 is left alone, by an override"}
	if next := decide(w.facts); next.verb == verbFail {
		t.Errorf("what is done already ends it: %s", next.message)
	}
	w.leftAlone = map[string]string{"c-3": "Pod c-3 is left alone, by an override"}
	if next := decide(w.facts); next.verb != verbFail || next.reason != v1alpha1.ReasonHandsOff || !strings.Contains(next.message, "Pod c-3 is left alone") {
		t.Errorf("%s %s: %s", next.verb, next.reason, next.message)
	}
}

// takes the next step, and has the status that is written by it.
func (w *world) takes(t *testing.T, v verb, reason string) step {
	t.Helper()
	next := decide(w.facts)
	if next.verb != v || next.reason != reason {
		t.Fatalf("the step is %s, %s: %s; want %s, %s", next.verb, next.reason, next.message, v, reason)
	}
	w.status = statusOf(1, next, *at(w.now))
	return next
}

const left = "spec.managementState"

func TestTimeThatAnOperationWaitsForHandsOffIsNotItsOwn(t *testing.T) {
	w := newWorld(v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRestart, Restart: &v1alpha1.RestartOperation{Instance: "c-3"}})
	w.takes(t, verbAccept, v1alpha1.ReasonAccepted)
	w.cluster.unmanaged = left
	w.now = w.now.Add(time.Minute)
	if waits := w.takes(t, verbWait, v1alpha1.ReasonClusterUnmanaged); !strings.Contains(waits.message, left) || waits.after != unmanagedAgain {
		t.Errorf("it waits: %+v", waits)
	}
	w.cluster.wanted = 0 // in the spec, which is not answered
	w.now = w.now.Add(24 * time.Hour)
	w.takes(t, verbWait, v1alpha1.ReasonClusterUnmanaged)

	w.cluster.unmanaged, w.cluster.wanted = "", 3
	w.takes(t, verbRemember, v1alpha1.ReasonRestarting)
	w.away("c-2")
	w.now = w.now.Add(serveWithin - time.Second)
	w.takes(t, verbWait, v1alpha1.ReasonRestarting)
	w.now = w.now.Add(2 * time.Second)
	w.takes(t, verbFail, v1alpha1.ReasonTimedOut)
}

func TestARequestThatWasTakenBeforeHandsOffIsGivenItsTimeAnew(t *testing.T) {
	w := newWorld(v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationSwitchover})
	w.takes(t, verbAccept, v1alpha1.ReasonAccepted)
	w.status.RequestedAt = at(w.now)
	w.cluster.unmanaged = left
	w.takes(t, verbWait, v1alpha1.ReasonClusterUnmanaged)
	w.cluster.unmanaged, w.now = "", w.now.Add(time.Hour)
	w.takes(t, verbRemember, v1alpha1.ReasonHandingOver)
	w.takes(t, verbWait, v1alpha1.ReasonHandingOver)
	w.now = w.now.Add(handoverWithin + time.Second)
	w.takes(t, verbFail, v1alpha1.ReasonTimedOut)
}

func TestWhatMayPassIsTriedForFiveSecondsFromWhenTheClusterIsHandedBack(t *testing.T) {
	w := newWorld(v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRestart, Restart: &v1alpha1.RestartOperation{Instance: "c-3"}})
	w.edit("c-2", func(i *contact.Instance) { i.Status.State = instanceapi.StateFollowing })
	w.takes(t, verbPostpone, v1alpha1.ReasonNotSafe)
	w.cluster.unmanaged = left
	w.takes(t, verbPostpone, v1alpha1.ReasonClusterUnmanaged)
	w.now = w.now.Add(time.Hour)
	w.takes(t, verbPostpone, v1alpha1.ReasonClusterUnmanaged)
	w.cluster.unmanaged = ""
	w.takes(t, verbPostpone, v1alpha1.ReasonNotSafe)
	w.now = w.now.Add(admittedWithin - time.Second)
	w.takes(t, verbPostpone, v1alpha1.ReasonNotSafe)
	w.now = w.now.Add(2 * time.Second)
	w.takes(t, verbRefuse, v1alpha1.ReasonNotSafe)
}

func TestOfSeveralThatWaitedForHandsOffEachHasItsTurn(t *testing.T) {
	w := newWorld(v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationSwitchover})
	w.cluster.unmanaged = left
	w.takes(t, verbPostpone, v1alpha1.ReasonClusterUnmanaged)
	w.cluster.unmanaged, w.rival = "", "before"
	for range 3 {
		w.takes(t, verbPostpone, v1alpha1.ReasonOperationRunning)
		w.now = w.now.Add(time.Minute)
	}
	w.rival = ""
	w.takes(t, verbAccept, v1alpha1.ReasonAccepted)
}

func TestAnOperationGoesOnOnceThatHasEndedWhichWasBegunWhileItWaited(t *testing.T) {
	w := newWorld(v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationSwitchover})
	w.takes(t, verbAccept, v1alpha1.ReasonAccepted)
	w.cluster.unmanaged = left
	w.takes(t, verbWait, v1alpha1.ReasonClusterUnmanaged)
	w.cluster.unmanaged, w.rival, w.now = "", "renewal", w.now.Add(time.Hour)
	w.takes(t, verbWait, v1alpha1.ReasonOperationRunning)
	w.rival = ""
	w.takes(t, verbRemember, v1alpha1.ReasonHandingOver)
	w.takes(t, verbSwitchover, v1alpha1.ReasonHandingOver)
}

func TestNothingIsDoneWithAClusterThatIsTakenAway(t *testing.T) {
	for _, kind := range []v1alpha1.OperationType{v1alpha1.OperationSwitchover, v1alpha1.OperationRestart, v1alpha1.OperationRenewCertificates} {
		w := newWorld(v1alpha1.PostgresOperationSpec{Type: kind})
		w.cluster.removed = true
		if got := decide(w.facts); got.verb != verbRefuse || got.reason != v1alpha1.ReasonRemoved {
			t.Errorf("%s: %s, %s", kind, got.verb, got.reason)
		}
		w.cluster.removed = false
		w.takes(t, verbAccept, v1alpha1.ReasonAccepted)
		w.cluster.removed = true
		w.takes(t, verbFail, v1alpha1.ReasonRemoved)
	}
}

// renewing is a world in which an operation renews certificates of a cluster that is left alone, and they were issued.
func renewing(t *testing.T) *world {
	t.Helper()
	w := newWorld(v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRenewCertificates})
	w.uid, w.cluster.unmanaged = "o", left
	w.takes(t, verbAccept, v1alpha1.ReasonAccepted)
	w.cluster.renewedBy = "o"
	return w
}

func TestARenewalGoesOnUntilAuthoritiesAreReplacedForNobodyElseWouldWhileTheClusterIsLeftAlone(t *testing.T) {
	w := renewing(t)
	w.cluster.rotating = []string{"client", "peer"}
	for range 3 {
		if waits := w.takes(t, verbWait, v1alpha1.ReasonRenewing); !strings.Contains(waits.message, "client, peer") || waits.after != unmanagedAgain {
			t.Errorf("it waits: %+v", waits)
		}
		w.now = w.now.Add(24 * time.Hour)
	}
	w.cluster.rotating = nil
	w.takes(t, verbSucceed, v1alpha1.ReasonDone)
}

func TestARenewalNeedNotWaitForAuthoritiesOnceTheClusterIsHandedBack(t *testing.T) {
	w := renewing(t)
	w.cluster.rotating = []string{"client"}
	w.takes(t, verbWait, v1alpha1.ReasonRenewing)
	w.cluster.unmanaged = ""
	if done := w.takes(t, verbSucceed, v1alpha1.ReasonDone); !strings.Contains(done.message, "goes on by itself: client") {
		t.Error(done.message)
	}
}

func TestARenewalDoesNotClaimWhatAnOverrideKeptItFrom(t *testing.T) {
	w := renewing(t)
	w.cluster.certificatesLeftAlone = []string{"c-certificates"}
	if failed := w.takes(t, verbFail, v1alpha1.ReasonHandsOff); !strings.Contains(failed.message, "c-certificates") || !strings.Contains(failed.message, "Remove these overrides") {
		t.Error(failed.message)
	}
}

func TestHandsAreOffAsSoonAsThatIsAskedForAndOnOnceTheClusterIsTakenOver(t *testing.T) {
	of := func(asked, inForce contract.ManagementState) *v1alpha1.PostgresCluster {
		cluster := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "shop"}}
		cluster.Spec.ManagementState, cluster.Status.ManagementState = asked, inForce
		cluster.Spec.RemovalConfirmation = "shop"
		return cluster
	}
	override := management.Platform{Overrides: []contract.Override{{Group: v1alpha1.GroupVersion.Group, Kind: "PostgresCluster", Namespace: "sales", Name: "shop", Unmanaged: true}}}
	partly := func(last string) *v1alpha1.PostgresCluster {
		cluster := of("", contract.Managed)
		cluster.Status.OperatorVersion, cluster.Status.Management.LeftAlone = last, []string{"Service/shop-rw"}
		return cluster
	}
	for name, tc := range map[string]struct {
		cluster   *v1alpha1.PostgresCluster
		platform  management.Platform
		unmanaged string
		removed   bool
	}{
		"managed":                       {of("", contract.Managed), management.Platform{}, "", false},
		"never looked at":               {of("", ""), management.Platform{}, "", false},
		"asked for a moment ago":        {of(contract.Unmanaged, contract.Managed), management.Platform{}, "spec.managementState", false},
		"by the Platform, a moment ago": {of("", contract.Managed), management.Platform{State: contract.Unmanaged}, "spec.managementState of the Platform", false},
		"by an override, a moment ago":  {of("", contract.Managed), override, "spec.overrides of the Platform", false},
		"handed back a moment ago":      {of(contract.Managed, contract.Unmanaged), management.Platform{}, "until the operator has taken it over again", false},
		"a child is left alone":         {partly("v1.2.0"), management.Platform{}, "", false},
		"a child is left alone since an older operator's time": {partly("v1.1.0"), management.Platform{}, "not taken over by v1.2.0", false},
		"taken away":                                {of(contract.Removed, contract.Managed), management.Platform{}, "", true},
		"to be taken away, and left alone":          {of(contract.Removed, contract.Managed), override, "spec.overrides of the Platform", false},
		"to be brought back, and not looked at yet": {of(contract.Managed, contract.Removed), management.Platform{}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			unmanaged, removed := steered(tc.cluster, tc.platform, "v1.2.0")
			if (unmanaged == "") != (tc.unmanaged == "") || !strings.Contains(unmanaged, tc.unmanaged) || removed != tc.removed {
				t.Errorf("left alone by %q, removed %t", unmanaged, removed)
			}
		})
	}
	unconfirmed := of(contract.Removed, contract.Managed)
	unconfirmed.Spec.RemovalConfirmation = ""
	if _, removed := steered(unconfirmed, management.Platform{}, "v1.2.0"); removed {
		t.Error("its removal is not confirmed")
	}
}
