package instance

import (
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/peers"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
)

func TestAFormerLeaderIsSoughtUntilTheProxiesKnowItsSuccessor(t *testing.T) {
	m := measuring(t)
	passed := led("", 4, 7)
	passed.HolderIncarnation = "a1"
	succeeded := led("shop-2", 5, 8)
	succeeded.LastFailover = &election.Failover{From: "shop-1", To: "shop-2"}
	opened := succeeded.Copy()
	opened.LastFailover.OpenedAt = time.Now()
	others := opened.Copy()
	others.LastFailover.From = "shop-3"
	for sentence, tc := range map[string]struct {
		record election.Record
		since  time.Duration
		sought bool
	}{
		"while nobody has taken the Lease": {passed, 0, true},
		"while its successor is not open":  {succeeded, 0, true},
		"just after that":                  {opened, 0, true},
		"not once the proxies know":        {opened, proxiesPatience, false},
		"not where another one led":        {others, 0, false},
		"not where it leads":               {led("shop-1", 4, 7), 0, false},
	} {
		m.following = following{}
		m.turnedAt.Store(int64(time.Since(m.startedAt)))
		m.noticeOpening(tc.record)
		m.turnedAt.Store(int64(time.Since(m.startedAt) + tc.since))
		if got := m.stillSought(tc.record); got != tc.sought {
			t.Errorf("%s: sought is %v", sentence, got)
		}
	}
}

func TestWhoIsSoughtKeepsClientsOutForAWhileAndEndsNobodysSession(t *testing.T) {
	m := measuring(t)
	m.peers = peers.NewHeartbeats(peers.Options{})
	m.turnedAt.Store(int64(time.Since(m.startedAt)))
	record := led("shop-2", 5, 8)
	record.LastFailover = &election.Failover{From: "shop-1", To: "shop-2"}
	m.process.postmaster = &supervisor.Postmaster{StartedAt: time.Now()}
	if !m.keepsOut(record) {
		t.Error("it lets clients in that look for the leader")
	}
	m.process.open = true
	if m.keepsOut(record) {
		t.Error("it ends the sessions of clients that it has let in")
	}
	m.process.open, m.process.postmaster.StartedAt = false, time.Now().Add(-ledAstray)
	if m.keepsOut(record) {
		t.Error("it waits for ever for a successor that does not open")
	}
}
