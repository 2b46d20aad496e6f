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
	// busyDisk: what the server does, or its manager for the next one, keeps the disk busy. opened: clients were let in in this term, so that others can have followed it since.
	busyDisk, opened bool
	// quorum in force, and for how long what one of its members has said counts.
	quorum election.Quorum
	counts time.Duration
	// ends is when others may lead without a vote, in asynchronous mode, as far as the loop knows; zero for never. A renewal lasts for so long.
	ends  time.Time
	lasts time.Duration
}

// replaceable tells whether another member could be elected, by what they say: enough of them are there, and where this one has led, one of them follows it. Where
// nothing was written for so long that no busy disk explains it, they may as well have lost their streams.
func (l *lead) replaceable(beats map[string]peers.Beat, broken time.Duration) bool {
	able, there := heardOf(beats, l.quorum, l.counts)
	return l.quorum.Replaceable(there) && (able > 0 || !l.opened || broken >= stalledStopping)
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
			m.bark(time.Now())
		}
	}
}

// bark where the loop stands. A server that runs on volumes that take no writes is killed; where none runs, the members are told that it is gone, as they are where a
// server dies. Once the loop turns again it finds that so. The Lease is not released, for what was read of it may be old; they need no release to elect.
func (m *Manager) bark(now time.Time) {
	led := m.led.Load()
	if led == nil {
		return
	}
	stands, waits := now.Sub(m.turnTime()), m.writes.Waits(now)
	runs := led.postmaster != nil && !led.postmaster.HasEnded()
	rule, why := metrics.StalledWritePath, "what it writes down waits for its volumes"
	switch {
	case runs && led.endsAlone(m.accepted(), m.turnTime(), now):
		rule, why = metrics.LeaseEnded, "it has not looked at its Lease before that ended"
	case stands < patienceWith(led.busyDisk || !runs && waits < stalledAfter): // what the loop does may be slow, write by write
		return
	case runs && (waits < patienceWith(led.busyDisk) || !led.replaceable(m.peers.Beats(), waits)):
		return
	}
	if !m.led.CompareAndSwap(led, nil) {
		return // the loop turns again
	}
	m.log.Error("the instance manager's loop stands: this instance does not lead", "why", why, "standsMilliseconds", stands.Milliseconds(), "waitsMilliseconds", waits.Milliseconds(), "postgres", runs)
	if runs && led.postmaster.Asked() != supervisor.Kill {
		m.measures.FencingStops.Add(rule)
		if err := led.postmaster.Stop(supervisor.Kill); err != nil {
			m.log.Error("postgres cannot be killed", "error", err.Error())
			m.led.CompareAndSwap(nil, led)
			return
		}
	}
	m.tellDown(why)
}

// accepted is when the renewal was sent that was accepted last; zero for none by this program.
func (m *Manager) accepted() time.Time {
	at := m.acceptedAt.Load()
	if at == 0 {
		return time.Time{}
	}
	return m.startedAt.Add(time.Duration(at))
}

// endsAlone tells that others may lead by now, as far as the loop knows and by what renewal was accepted last, and that the loop, which stops the server before, has not
// turned since. They wait a second longer than this.
func (l *lead) endsAlone(accepted, turned, now time.Time) bool {
	const aMoment = 200 * time.Millisecond
	ends := later(l.ends, accepted.Add(l.lasts))
	return !l.ends.IsZero() && turned.Before(ends) && now.Sub(ends) > aMoment
}

// tellDown says to the members, and to whoever asks for the status, what the loop would have said.
func (m *Manager) tellDown(why string) {
	if status := m.published.Load(); status != nil {
		down := *status
		down.State, down.Leader, down.Ready, down.Postgres = instanceapi.StateFailed, false, false, nil
		down.Message = "the instance manager's loop stands, and no server of it runs: " + why
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
