package instance

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/peers"
	"github.com/timonier-io/timonier/internal/instance/volumes"
)

func TestALeaderThatHearsNobodyIsCutOffAfterALeaseDuration(t *testing.T) {
	m := measuring(t)
	m.configuration, m.peers = load(t, t.TempDir()), peers.NewHeartbeats(peers.Options{})
	record := led("shop-1", 4, 7)
	record.Quorum = election.Quorum{Mode: election.ModeQuorum, Members: map[string]string{"a1": "shop-1", "b1": "shop-2"}, Required: 2}
	longAgo := time.Now().Add(-leaseSeconds*time.Second - time.Second)
	m.apiAnswered = longAgo
	if m.cutOff(record) {
		t.Error("at the first look, as after a freeze")
	}
	m.cutOffSince, m.apiAnswered = longAgo, time.Now()
	if m.cutOff(record) {
		t.Error("although the API server has just answered")
	}
	m.apiAnswered = longAgo
	if !m.cutOff(record) {
		t.Error("nobody is heard, and it is not cut off")
	}
	alone := record.Copy()
	alone.Quorum.Members, alone.Quorum.Required = map[string]string{"a1": "shop-1"}, 1
	if m.cutOff(alone) {
		t.Error("although it needs nobody")
	}
	if m.cutOff(record) {
		t.Error("at once again, after it has heard enough")
	}
}

func TestALeaseLastsAsLongAsItsHolderSaidAndNotAsIsConfiguredByNow(t *testing.T) {
	m := measuring(t)
	m.configuration = load(t, t.TempDir())
	record := led("shop-2", 4, 7)
	m.lease = leaseView{readable: true, exists: true, record: record}
	m.revisionSince = time.Now().Add(-20 * time.Second)
	for seconds, want := range map[int64]bool{0: true, leaseSeconds: true, 15: true, 30: false} {
		m.lease.object.DurationSeconds = seconds
		if got := m.leaseExpired(record); got != want {
			t.Errorf("after 20 s, renewed for %d s: expired %t", seconds, got)
		}
	}
	if m.lease.edited = true; !m.leaseExpired(record) {
		t.Error("what was edited by hand counts")
	}
}

func TestAHolderStopsAtTheEndOfItsLeaseAndOthersWaitUntilItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := measuring(t)
		m.configuration, m.peers = load(t, t.TempDir()), peers.NewHeartbeats(peers.Options{})
		own, other := led("shop-1", 4, 7), led("shop-2", 4, 7)
		own.Quorum = election.Quorum{Mode: election.ModeAsynchronous, Members: map[string]string{"a1": "shop-1", "b1": "shop-2"}, Required: 1}
		m.lease, m.revisionSince = leaseView{readable: true, exists: true, record: own}, time.Now()
		m.contents.Identity.Incarnation, m.step.Verb, m.process.primary = "a1", election.Rest, true
		time.Sleep(leaseSeconds*time.Second - idleTurn/2)
		if m.leaseExpired(own) {
			t.Error("it ends early")
		}
		begin := time.Now()
		time.Sleep(m.untilNextTurn())
		if late := time.Since(begin) - idleTurn/2; late > busyTurn {
			t.Errorf("its holder sees that after %s", late)
		}
		if !m.leaseExpired(own) || m.leaseExpired(other) {
			t.Errorf("at the next turn it is expired for its holder: %t, and for others: %t", m.leaseExpired(own), m.leaseExpired(other))
		}
		if rest := m.untilNextTurn(); rest != idleTurn {
			t.Errorf("a holder that has seen that looks again after %s", rest)
		}
		time.Sleep(stopsWithin)
		if !m.leaseExpired(other) {
			t.Error("nobody ever takes it")
		}
	})
}

func TestWhatAHolderSeesIsWrittenDownBesideTheLoopAndInOrder(t *testing.T) {
	m := measuring(t)
	m.options.Volumes = volumes.Layout{Data: t.TempDir()}
	identity := &m.contents.Identity
	m.contents.HasIdentity, identity.Instance, identity.System = true, "shop-1", "7711"
	record := led("shop-1", 4, 7)
	record.System = "7711"
	m.see(record)
	if contents, err := m.options.Volumes.Inspect(t.Context(), nil); m.saving != nil || err != nil || contents.Identity.Term != 4 {
		t.Fatalf("a new term is not written down at once: %+v (%v)", contents.Identity, err)
	}
	record.Revision += election.RevisionMargin
	m.see(record)
	if m.saving == nil {
		t.Fatal("a renewal is waited for")
	}
	identity.Promise = 7
	if err := m.saveIdentity(*identity); err != nil { // what was begun first must not be what remains
		t.Fatal(err)
	}
	contents, err := m.options.Volumes.Inspect(t.Context(), nil)
	if err != nil || contents.Identity.Promise != 7 || contents.Identity.Revision != record.Revision {
		t.Errorf("on disk is %+v (%v)", contents.Identity, err)
	}
}
