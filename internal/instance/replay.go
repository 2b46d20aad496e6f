package instance

import (
	"context"
	"time"

	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/postgres"
)

// idleReplay is how long the startup process may do nothing with WAL to replay. A leader sends whole pages, and the rest of a record only when something is
// flushed after it: where a transaction is left open, that is what the background writer logs every 15 s, and looks every 10 s whether to.
const idleReplay = 30 * time.Second

// lookedAway is after how long without a look, as while it was detached, nothing is known of what it did.
const lookedAway = 5 * time.Second

// replaying is what the startup process was last seen to do: nothing since then, with so much replayed and so many ticks of the CPU used.
type replaying struct {
	startup         int
	replayed        postgres.LSN
	ticks           int64
	since, lookedAt time.Time
}

// seeThatItReplays restarts a standby whose replay does nothing although WAL is there, and clones it again where that does not help: it keeps WAL, and what it
// shows is old. One that waits for queries, or was paused, does what somebody wants, and one that is slow uses the CPU or the disk.
func (m *Manager) seeThatItReplays(ctx context.Context) error {
	f, o, r := &m.following, m.process.observation, &m.following.replaying
	if m.process.stopping() {
		return nil
	}
	now := time.Now()
	ticks, onDisk := supervisor.CPUTime(o.Startup)
	there := o.Received > o.Replayed || o.Receiver == 0 && !o.Exhausted
	idle := there && !o.Blocked && !o.Paused && !onDisk && r.startup == o.Startup && r.replayed == o.Replayed && r.ticks == ticks
	if !idle || now.Sub(r.lookedAt) > lookedAway {
		r.since = now
	}
	r.startup, r.replayed, r.ticks, r.lookedAt = o.Startup, o.Replayed, ticks, now
	switch {
	case now.Sub(r.since) < idleReplay:
		return nil
	case f.stuckAt == o.Replayed: // where it is a member the leader drops it, once it does not follow
		return m.replaceCopy(ctx, "its replay does nothing at "+o.Replayed.String()+", also after a restart", "its replay is stuck")
	}
	f.stuckAt = o.Replayed
	m.log.Error("replay does nothing although there is WAL; restarting postgres", "position", o.Replayed.String(), "received", o.Received.String(), "startup", o.Startup)
	return m.stop(supervisor.Immediate) // a process that does nothing does not end when asked to
}
