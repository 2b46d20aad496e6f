//go:build integration

package instance

import (
	"fmt"
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

func TestAForcedPromotionIsToldAndForgottenOnceItLeads(t *testing.T) {
	w := synchronous(t, 3)
	former, lost, last := w.pods[1], w.pods[2], w.pods[3]
	last.reads(notes, "first")
	lost.kill() // before the leader: it would lead at once
	former.kill()
	lost.loseVolume("data")
	w.eventually("it is promoted although nobody votes with it", func() bool {
		_, err := last.client.ForcePromotion(w.ctx, instanceapi.ForcePromotionRequest{AcceptDataLoss: true})
		return err == nil
	})
	last.becomes(instanceapi.StateRunning)
	last.must("INSERT INTO notes VALUES ('second')")
	if told := w.record().LastFailover; told == nil || told.Cause != "Forced" || told.From != former.name || told.To != last.name {
		t.Errorf("the Lease tells of the failover: %+v", told)
	}
	lost.run()
	lost.configure()
	lost.becomes(instanceapi.StateStreaming)
	w.eventually("it is a member", func() bool { return len(w.record().Quorum.Members) == 2 })

	// What was accepted was for the leader that was gone, and not for the next one.
	w.eventually("it hands over", func() bool {
		_, err := last.client.Switchover(w.ctx, instanceapi.SwitchoverRequest{To: lost.name})
		return err == nil
	})
	lost.becomes(instanceapi.StateRunning)
	last.becomes(instanceapi.StateStreaming)
	lost.must("INSERT INTO notes VALUES ('third')")
	last.reads(notes, "first second third")
	if record := w.record(); record.Holder != lost.name || record.Term != 3 {
		t.Errorf("%s leads in term %d, not %s in term 3", record.Holder, record.Term, lost.name)
	}
}

// They vote, and none of them may write the Lease: what is left to be done is not to be done by losing something. One has confirmed what the other lacks.
func TestAForcedPromotionIsRefusedWhereEnoughMembersVote(t *testing.T) {
	w := synchronous(t, 3, func(w *world) {
		w.asked = func(a *instanceapi.Availability) { a.FailureDetectionSeconds = 30 } // one that is held back stays a member for as long
	})
	former := w.leader()
	behind := w.other(former)
	ahead := w.other(former, behind)
	former.holdBack(behind)
	former.must("INSERT INTO notes VALUES ('acknowledged')")
	w.mayWriteLease(false)
	former.measuresThat(`lease_writes_total{outcome="failed"}`, "has grown", func(failed float64) bool { return failed > 0 })
	former.kill()
	w.eventually("both vote, and hear each other", func() bool {
		failed, _ := ahead.metrics().of(`lease_writes_total{outcome="failed"}`)
		return failed > 0 && strings.Contains(behind.status().Message, ahead.name+" is at")
	})
	for _, p := range []*pod{behind, ahead} {
		w.eventually(p.name+" refuses to be promoted", func() bool {
			_, err := p.client.ForcePromotion(w.ctx, instanceapi.ForcePromotionRequest{AcceptDataLoss: true})
			if err == nil {
				t.Fatalf("%s is to be promoted, and %s would lead without losing anything", p.name, ahead.name)
			}
			return isRefused(err, "VotesEnough") && strings.Contains(err.Error(), "an election decides without losing anything")
		})
	}
	log, err := os.ReadFile(ahead.logFile())
	w.check(err)
	if told := strings.Count(string(log), "answered 403"); told > 5 {
		t.Errorf("%s logs %d times that it may not write the Lease, and asks as often", ahead.name, told)
	}
	w.mayWriteLease(true)
	w.succeeds(former)
	if record := w.record(); record.Holder != ahead.name || record.LastFailover.Cause == election.CauseForced {
		t.Errorf("%s leads: %+v", record.Holder, record.LastFailover)
	}
	behind.reads(notes, "acknowledged first second")
}

// mayWriteLease takes from the instances that they may, or gives it back. They may read it all the time.
func (w *world) mayWriteLease(may bool) {
	w.t.Helper()
	roles := env.api.kubernetes.RbacV1().Roles(w.namespace)
	role, err := roles.Get(w.ctx, "instance", metav1.GetOptions{})
	w.check(err)
	role.Rules[0].Verbs = []string{"get", "watch"}
	if may {
		role.Rules[0].Verbs = append(role.Rules[0].Verbs, "update")
	}
	_, err = roles.Update(w.ctx, role, metav1.UpdateOptions{})
	w.check(err)
}

// The operator refuses it where somebody leads. An instance knows more: whom it and the others reach.
func TestAForcedPromotionIsRefusedWhileAnyInstanceReachesALeader(t *testing.T) {
	w := synchronous(t, 3)
	leader := w.named(w.record().Holder)
	target := w.other(leader)
	before := w.record()
	refused := func(p *pod, request instanceapi.ForcePromotionRequest, reason string) {
		t.Helper()
		if _, err := p.client.ForcePromotion(w.ctx, request); err == nil || !isRefused(err, reason) {
			t.Errorf("%s: %v; want %s", p.name, err, reason)
		}
	}
	accepts := instanceapi.ForcePromotionRequest{AcceptDataLoss: true}
	refused(target, accepts, "LeaderReachable")
	refused(leader, accepts, "NotStandby")
	if _, err := target.client.ForcePromotion(w.ctx, instanceapi.ForcePromotionRequest{}); err == nil {
		t.Error("without a word about what may be lost")
	}

	// It does not reach the leader itself, and hears somebody who does.
	ip := "ip -n " + target.network() + " route %s blackhole " + w.address(leader.ordinal) + "/32"
	w.check(shell(fmt.Sprintf(ip, "add")))
	w.eventually("it does not stream any more", func() bool { return target.status().State != instanceapi.StateStreaming })
	refused(target, accepts, "LeaderReachable")
	w.check(shell(fmt.Sprintf(ip, "delete")))
	target.becomes(instanceapi.StateStreaming)
	if after := w.record(); after.Term != before.Term || after.Holder != before.Holder {
		t.Errorf("%s leads in term %d", after.Holder, after.Term)
	}
}
