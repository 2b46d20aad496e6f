package instance

import (
	"context"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/metrics"
	"github.com/timonier-io/timonier/internal/instance/peers"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// watchdogEvery is how often it looks.
const watchdogEvery = 500 * time.Millisecond

// lead is what the watchdog has to know of an instance that holds the Lease.
type lead struct {
	// postmaster is nil where none was started.
	postmaster *supervisor.Postmaster
	// busyDisk: what the server does keeps the disk busy. serves: the server is a primary, so that others follow it.
	busyDisk, serves bool
	// quorum in force, and for how long what one of its members has said counts.
	quorum election.Quorum
	counts time.Duration
}

// replaceable tells whether another member could be elected.
func (l *lead) replaceable(beats map[string]peers.Beat) bool {
	able, there := heardOf(beats, l.quorum, l.counts)
	return l.quorum.Replaceable(there) && (able > 0 || !l.serves)
}

// watchdog does for the loop what that cannot do where a write of its own waits in the kernel, for a volume that takes none: a leader whose heartbeats go on would be
// missed by nobody, whether its server still streams, has not begun to, or has ended.
func (m *Manager) watchdog(ctx context.Context) {
	ticker := time.NewTicker(watchdogEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			m.bark()
		}
	}
}

// bark where the loop stands. A server that runs on volumes that take no writes is killed; where none runs, the members are told that it is gone, as they are where a
// server dies. Once the loop turns again it finds that so. The Lease is not released, for what was read of it may be old; they need no release to elect.
func (m *Manager) bark() {
	led, now := m.led.Load(), time.Now()
	if led == nil {
		return
	}
	stands, waits := now.Sub(m.turnTime()), m.writes.Waits(now)
	runs := led.postmaster != nil && !led.postmaster.HasEnded()
	patience := patienceWith(led.busyDisk && runs)
	if stands < patience || runs && (waits < patience || !led.replaceable(m.peers.Beats())) {
		return
	}
	m.log.Error("the loop stands, as where what it writes down waits for its volumes: this instance does not lead",
		"standsMilliseconds", stands.Milliseconds(), "waitsMilliseconds", waits.Milliseconds(), "postgres", runs)
	if runs {
		m.measures.FencingStops.Add(metrics.StalledWritePath)
		if err := led.postmaster.Stop(supervisor.Kill); err != nil {
			m.log.Error("postgres cannot be killed", "error", err.Error())
			return
		}
	}
	m.led.CompareAndSwap(led, nil)
	m.tellDown()
}

// tellDown says to the members, and to whoever asks for the status, what the loop would have said.
func (m *Manager) tellDown() {
	if status := m.published.Load(); status != nil {
		down := *status
		down.State, down.Leader, down.Ready, down.Postgres = instanceapi.StateFailed, false, false, nil
		down.Message = "what it writes down waits for its volumes, and no server of it runs"
		m.published.CompareAndSwap(status, &down)
	}
	told := m.beat.Load()
	if told == nil {
		return
	}
	beat := told.beat
	beat.Leads, beat.Down = false, true
	if m.beat.CompareAndSwap(told, &toldBeat{beat, leaderBeats, make(chan struct{})}) {
		close(told.changed)
	}
}
