//go:build integration

package instance

import (
	"testing"

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
