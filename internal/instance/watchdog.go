package instance

import (
	"context"
	"time"

	"github.com/timonier-io/timonier/internal/instance/metrics"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
)

// watchdogEvery is how often it looks.
const watchdogEvery = 500 * time.Millisecond

// leadingServer is the server of an instance that leads, as the watchdog has to know it; replaceable tells that another member could lead.
type leadingServer struct {
	postmaster  *supervisor.Postmaster
	replaceable bool
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
	if led == nil || !led.replaceable || led.postmaster.HasEnded() || now.Sub(m.turnTime()) < stalledAfter || m.writes.Waits(now) < stalledAfter {
		return
	}
	m.log.Error("the volumes take no writes, and what is written down of the lead waits for them; killing postgres",
		"waitsMilliseconds", m.writes.Waits(now).Milliseconds(), "standsMilliseconds", now.Sub(m.turnTime()).Milliseconds())
	m.measures.FencingStops.Add(metrics.StalledWritePath)
	if err := led.postmaster.Shoot(); err != nil {
		m.log.Error("postgres cannot be killed", "error", err.Error())
		return
	}
	m.led.CompareAndSwap(led, nil)
	if told := m.beat.Load(); told != nil {
		beat := told.beat
		beat.Leads, beat.Down = false, true
		if m.beat.CompareAndSwap(told, &toldBeat{beat, make(chan struct{})}) {
			close(told.changed)
		}
	}
}
