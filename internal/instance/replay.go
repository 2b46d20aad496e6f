package instance

import (
	"fmt"
	"slices"
	"time"

	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/postgres"
)

const (
	// idleReplay is how long the startup process may do nothing with WAL to replay, for the first of the standbys; each other one waits as much longer, so
	// that it sees the one before it restart.
	idleReplay = 30 * time.Second
	// stuckInVain is how often a standby is restarted that then hangs at the same position again, until a person is told.
	stuckInVain = 2
	// lookedAway is after how long without a look, as while it was detached, nothing is known of what it did.
	lookedAway = 5 * time.Second
	// staleAfterStanding is how long replay may stand still, for whatever reason, before readers are led elsewhere.
	staleAfterStanding = 5 * time.Second
)

// replaying is what the startup process was last seen to do: nothing since then, with so much replayed and so many ticks of the CPU used.
type replaying struct {
	startup         int
	replayed        postgres.LSN
	ticks           int64
	since, lookedAt time.Time
	// moved is when it last replayed anything, or had nothing to replay, and stale that this was too long ago for readers.
	moved time.Time
	stale bool
}

// seeThatItReplays restarts a standby whose replay does nothing although it has WAL: it keeps WAL from being removed, and what it shows is old. One that waits for
// queries or for its leader, or was paused, does what somebody wants, and one that is slow uses the CPU or the disk.
func (m *Manager) seeThatItReplays() error {
	f, o, r, now := &m.following, m.process.observation, &m.following.replaying, time.Now()
	if m.process.stopping() || !o.InRecovery || o.Startup == 0 {
		return nil
	}
	activity := supervisor.ActivityOf(o.Startup)
	has := o.Received > o.Replayed
	if !has || o.Awaits || r.startup != o.Startup || r.replayed != o.Replayed {
		r.moved = now
	}
	r.stale = now.Sub(r.moved) > staleAfterStanding
	// It says itself that it lacks WAL, as where the leader has sent the first half of a record; one that is stopped says what it said before.
	lacks := (o.Awaits || o.Exhausted) && !activity.Stopped
	idle := has && !lacks && !o.Blocked && !o.Paused && activity.Known && !activity.OnDisk &&
		r.startup == o.Startup && r.replayed == o.Replayed && r.ticks == activity.Ticks
	if !idle || now.Sub(r.lookedAt) > lookedAway || !m.leaderServes() {
		r.since = now
	}
	r.startup, r.replayed, r.ticks, r.lookedAt = o.Startup, o.Replayed, activity.Ticks, now
	if now.Sub(r.since) < idleReplay*time.Duration(1+m.rank()) {
		return nil
	}
	if f.stuckAt != o.Replayed {
		f.stuckAt, f.stuckTimes = o.Replayed, 0
	}
	stuck := fmt.Sprintf("its replay does nothing at %s, though it has WAL up to %s", o.Replayed, o.Received)
	switch {
	case f.hangs():
		return fmt.Errorf("%s, and did so after %d restarts too: have it cloned anew (Reinitialize)", stuck, f.stuckTimes)
	case !m.spared():
		return fmt.Errorf("%s; it is not restarted, for commits wait for it", stuck)
	}
	f.stuckTimes++
	m.log.Error("replay does nothing although there is WAL; restarting postgres", "position", o.Replayed.String(), "received", o.Received.String(), "startup", o.Startup)
	return m.stop(supervisor.Immediate) // a process that does nothing does not end when asked to
}

// hangs tells that it does so after restarts too.
func (f *following) hangs() bool {
	return f.stuckAt != 0 && f.stuckAt == f.replaying.replayed && f.stuckTimes >= stuckInVain && time.Since(f.replaying.since) > idleReplay
}

// leaderServes tells whether the holder is heard to lead, and its WAL has come here.
func (m *Manager) leaderServes() bool {
	record := m.lastRecord()
	beat, heard := m.peers.Beat(record.Holder)
	return heard && m.fresh(beat) && beat.Leads && m.process.streamedTerm == record.Term
}

// rank of this instance among the members that follow, by name.
func (m *Manager) rank() int {
	record := m.lastRecord()
	names := slices.DeleteFunc(record.MemberNames(), func(name string) bool { return name == record.Holder })
	slices.Sort(names)
	return max(slices.Index(names, m.options.Instance), 0)
}

// spared tells whether commits go on without this instance: it is no member, or enough others stream, or the leader may, and can, do without.
func (m *Manager) spared() bool {
	record := m.lastRecord()
	others := 0
	for incarnation, name := range record.Quorum.Members {
		beat, heard := m.peers.Beat(name)
		if incarnation != m.contents.Identity.Incarnation && heard && m.fresh(beat) && beat.Incarnation == incarnation && beat.Eligible {
			others++
		}
	}
	return !m.counted(record) || others >= record.Quorum.Required-1 || m.preferred() && m.lease.readable && !m.lease.doubtful
}
