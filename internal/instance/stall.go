package instance

import (
	"time"

	"github.com/timonier-io/timonier/internal/instance/metrics"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
)

// stalledAfter is how long a write of a byte may take before this instance counts as unable to lead. A disk that is busy takes seconds,
// as with a burst of fsync; a stalled volume takes for ever. probeEvery is how often a leader tries.
const (
	stalledAfter = 7 * time.Second
	probeEvery   = time.Second
	// stalledStopping is how long where the server stops to be restarted, or recovers: its checkpoint writes all that it has, and keeps the disk as busy as can be.
	stalledStopping = 20 * time.Second
)

// hangsAfter is how long a server that served may not answer its own manager, over a connection that is kept open, before another instance that could lead does.
// A server that is starved of CPU answers now and then.
const hangsAfter = time.Minute

// noticeHang gives the Lease up where this leader's server does not answer any more, as one whose processes are stopped: nobody else would ever miss it, since
// its connections stay. So it does where the server does not come to lead.
func (m *Manager) noticeHang() {
	p := &m.process
	if !p.running() || p.stopping() || m.leading.record == nil || m.leaving != "" {
		return
	}
	var why string
	switch {
	case p.primary && p.accepted && time.Since(p.answeredAt) >= hangsAfter && m.streamed(),
		!p.open && p.accepted && time.Since(p.answeredAt) >= hangsAfter && time.Since(m.doubt.holderSince) >= hangsAfter && m.replaceable(0):
		why = "its server has not answered for " + hangsAfter.String()
	case p.promoting && time.Since(p.promoteBegan) >= hangsAfter && m.replaceable(0):
		why = "its server has not ended its recovery within " + hangsAfter.String()
	default:
		return
	}
	m.leaving = why + ", and another instance can lead"
	m.log.Error("postgres hangs; giving the Lease up", "why", why)
	m.measures.FencingStops.Add(metrics.HangingServer)
	m.publisher.Publish(nil)
	if err := m.stop(supervisor.Kill); err != nil {
		m.log.Error("postgres cannot be killed", "error", err.Error())
	}
}

// diskIsBusy tells that a write may wait for long on a volume that takes writes: a server that stops writes all that it has, and so does one that recovers; in between
// its manager writes its files.
func (m *Manager) diskIsBusy() bool {
	p := &m.process
	return p.stopping() && m.handing == nil || p.running() && !p.accepted || p.restarting && time.Since(later(p.restartAsked, m.endedAt)) < downAfter
}

func patienceWith(busyDisk bool) time.Duration {
	if busyDisk {
		return stalledStopping
	}
	return stalledAfter
}

// replaceable tells whether another member could be elected in place of this one, which holds the Lease and has not written for so long.
func (m *Manager) replaceable(broken time.Duration) bool {
	lead := m.led.Load()
	return lead != nil && lead.replaceable(m.peers.Beats(), broken)
}

// noticeStall gives the Lease up where this leader's volumes take no writes any more, whether these wait or come back with errors: a server whose WAL is on
// another volume than its data would go on, and so would its lead, though whatever a client does fails. Its server is killed, for it would not even stop. What
// is needed for that does not write: it is all in memory.
func (m *Manager) noticeStall() {
	now := time.Now()
	waits, fails := m.writes.Waits(now), m.writes.Fails(now)
	if stalled := waits >= stalledAfter; stalled != m.stalled {
		m.stalled = stalled
		if stalled {
			m.measures.WriteProbeFailures.Add(metrics.ProbeStalled)
		}
	}
	patience := patienceWith(m.diskIsBusy())
	if max(waits, fails) < patience || m.leading.record == nil || !m.holdsLease(m.lastRecord()) || m.leaving != "" || !m.replaceable(max(waits, fails)) {
		return
	}
	m.leaving = "a write to its volumes has not come back for " + patience.String() + ", and another instance can lead"
	if fails > waits {
		m.leaving = "writes to its volumes have failed for " + patience.String() + ", and another instance can lead"
	}
	m.log.Error("the volumes take no writes; giving the Lease up", "waitsMilliseconds", waits.Milliseconds(), "failsMilliseconds", fails.Milliseconds())
	m.measures.FencingStops.Add(metrics.StalledWritePath)
	m.publisher.Publish(nil)
	m.giveHandoverUp("its volumes take no writes") // to promise it would be a write
	if err := m.stop(supervisor.Kill); err != nil {
		m.log.Error("postgres cannot be killed", "error", err.Error())
	}
}
