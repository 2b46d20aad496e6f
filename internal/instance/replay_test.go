package instance

import (
	"os"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/peers"
	"github.com/timonier-io/timonier/internal/instance/server"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// followingStuck is shop-2's manager, one of three members, whose startup process, by the PID of a process that can do nothing now, has replayed up to 100 of 200.
func followingStuck(t *testing.T) *Manager {
	t.Helper()
	m := measuring(t)
	m.options.Instance, m.contents.Identity.Incarnation = "shop-2", "b1"
	m.configuration, m.peers = load(t, t.TempDir()), peers.NewHeartbeats(peers.Options{})
	record := led("shop-1", 4, 7)
	record.Quorum = election.Quorum{Mode: election.ModeQuorum, Members: map[string]string{"a1": "shop-1", "b1": "shop-2", "c1": "shop-3"}, Required: 2}
	m.lease = leaseView{readable: true, exists: true, record: record}
	m.process.postmaster, m.process.attached = &supervisor.Postmaster{}, true
	m.process.observation = &server.Observation{InRecovery: true, Startup: os.Getpid(), Received: 200, Replayed: 100}
	return m
}

func TestReplayThatStandsStillIsStaleForReadersWhateverItWaitsFor(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*server.Observation)
		want bool
	}{
		"for nothing":                       {func(*server.Observation) {}, true},
		"for queries":                       {func(o *server.Observation) { o.Blocked = true }, true},
		"for whoever paused it":             {func(o *server.Observation) { o.Paused = true }, true},
		"for the second half of a record":   {func(o *server.Observation) { o.Awaits = true }, false},
		"for its leader to write something": {func(o *server.Observation) { o.Received = o.Replayed }, false},
	} {
		m := followingStuck(t)
		c.edit(m.process.observation)
		r := &m.following.replaying
		r.startup, r.replayed, r.lookedAt, r.moved = os.Getpid(), 100, time.Now(), time.Now().Add(-staleAfterStanding-time.Second)
		if err := m.seeThatItReplays(); err != nil || r.stale != c.want {
			t.Errorf("it waits %s: stale %t (%v)", name, r.stale, err)
		}
	}
}

func TestAStandbyIsNotRestartedForItsReplayWhileCommitsWaitForIt(t *testing.T) {
	m := followingStuck(t)
	if m.spared() {
		t.Error("nobody else is heard, and it counts as spared")
	}
	m.lease.record.Quorum.Required = 1
	if !m.spared() {
		t.Error("no commit waits for it")
	}
	m = followingStuck(t)
	m.contents.Identity.Incarnation = "another"
	if !m.spared() {
		t.Error("it is no member")
	}
}

func TestTheSecondStandbyWaitsLongerThanTheFirst(t *testing.T) {
	m := followingStuck(t)
	if rank := m.rank(); rank != 0 {
		t.Errorf("shop-2 of shop-2 and shop-3: %d", rank)
	}
	m.options.Instance = "shop-3"
	if rank := m.rank(); rank != 1 {
		t.Errorf("shop-3 of shop-2 and shop-3: %d", rank)
	}
}

func TestAStandbyWhoseReplayDoesNothingForMinutesCannotFollowThoughItStreams(t *testing.T) {
	m := followingStuck(t)
	m.process.observation.Streaming = true
	r := &m.following.replaying
	for since, want := range map[time.Duration]instanceapi.WaitReason{time.Minute: "", tellsUnfed + time.Second: instanceapi.WaitFollow} {
		r.since, r.lookedAt = time.Now().Add(-since), time.Now()
		if _, reason, _ := m.state(); reason != want {
			t.Errorf("after %s it waits for %q, want %q", since, reason, want)
		}
	}
}
