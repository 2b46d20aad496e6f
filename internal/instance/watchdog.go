package instance

import (
	"context"
	"time"

	"github.com/timonier-io/timonier/internal/instance/metrics"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
)

// watchdogEvery is how often it looks.
const watchdogEvery = 500 * time.Millisecond

// leadingServer is the server of an instance that leads, as the watchdog has to know it.
type leadingServer struct {
	postmaster *supervisor.Postmaster
	// stopping, as to be restarted: its last checkpoint keeps the disk busy.
	stopping bool
	// members by incarnation, and for how long what one of them has said counts.
	members map[string]string
	counts  time.Duration
}

// watchdog does for the loop what that cannot do where a write of its own waits in the kernel, for a volume that takes none: a leader whose server still streams and
// whose heartbeats go on would be missed by nobody.
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

// bark where the loop stands and the volumes take no writes: the server is killed, and the members are told that it is gone, as they are where a server dies. Once the
// loop turns again it finds that so. The Lease is not released, for what was read of it may be old; they need no release to elect.
func (m *Manager) bark() {
	led, now := m.led.Load(), time.Now()
	if led == nil || led.postmaster.HasEnded() {
		return
	}
	patience := stalledAfter
	if led.stopping {
		patience = stalledStopping
	}
	stands, waits := now.Sub(m.turnTime()), m.writes.Waits(now)
	if stands < patience || waits < patience || !m.replaceable(led) {
		return
	}
	m.log.Error("the volumes take no writes, and what is written down of the lead waits for them; killing postgres",
		"waitsMilliseconds", waits.Milliseconds(), "standsMilliseconds", stands.Milliseconds())
	m.measures.FencingStops.Add(metrics.StalledWritePath)
	if err := led.postmaster.Stop(supervisor.Kill); err != nil {
		m.log.Error("postgres cannot be killed", "error", err.Error())
		return
	}
	m.led.CompareAndSwap(led, nil)
	m.tellDown()
}

// replaceable tells whether another member says, now, that it could lead.
func (m *Manager) replaceable(led *leadingServer) bool {
	for name, beat := range m.peers.Beats() {
		if led.members[beat.Incarnation] == name && !beat.Broken && time.Since(beat.At) < led.counts && beat.Eligible {
			return true
		}
	}
	return false
}

// tellDown says to the members, and to whoever asks for the status, what the loop would have said.
func (m *Manager) tellDown() {
	if status := m.published.Load(); status != nil {
		down := *status
		down.Leader, down.Ready, down.Message = false, false, "its volumes take no writes, and its server was killed"
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
