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

// idles tells whether it has done nothing for so long.
func (r *replaying) idles(patience time.Duration) bool {
	return !r.since.IsZero() && time.Since(r.since) >= patience && time.Since(r.lookedAt) < lookedAway
}

// seeThatItReplays restarts a standby whose replay does nothing although it has WAL: it keeps WAL from being removed, and what it shows is old. One that waits for
// queries or for its leader, or was paused, does what somebody wants, and one that is slow uses the CPU or the disk.
func (m *Manager) seeThatItReplays() error {
	o, r, now := m.process.observation, &m.following.replaying, time.Now()
	if m.process.stopping() || !o.InRecovery || o.Startup == 0 {
		return nil
	}
	activity := supervisor.ActivityOf(o.Startup)
	// It says itself that it lacks WAL, as where the leader has sent the first half of a record; one that is stopped says what it said before.
	has, lacks := o.Received > o.Replayed, (o.Awaits || o.Exhausted) && !activity.Stopped
	same := r.startup == o.Startup && r.replayed == o.Replayed && now.Sub(r.lookedAt) <= lookedAway
	if !same || !has || lacks {
		r.moved = now
	}
	r.stale = now.Sub(r.moved) > staleAfterStanding
	if !same || !has || lacks || o.Blocked || o.Paused || !activity.Known || activity.OnDisk || r.ticks != activity.Ticks || !m.leaderServes() {
		r.since = now
	}
	r.startup, r.replayed, r.ticks, r.lookedAt = o.Startup, o.Replayed, activity.Ticks, now
	switch {
	case !r.idles(idleReplay * time.Duration(1+m.rank())):
		return nil
	case !m.spared():
		return fmt.Errorf("its replay does nothing at %s, though it has WAL; it is not restarted, for commits wait for it", o.Replayed)
	}
	m.log.Error("replay does nothing although there is WAL; restarting postgres", "position", o.Replayed.String(), "received", o.Received.String(), "startup", o.Startup)
	return m.stop(supervisor.Immediate) // a process that does nothing does not end when asked to
}

// seeThatItComesToItsEnd looks after a standby that does not follow yet, since it has to replay all that it has before: where it hangs in a record it never does.
func (m *Manager) seeThatItComesToItsEnd() error {
	f, o := &m.following, m.process.observation
	record := m.lastRecord()
	leader, heard := m.peers.Beat(record.Holder)
	serves := heard && m.fresh(leader) && leader.Leads && m.contents.Identity.Promise < record.Revision
	f.noteFeeding(!serves || f.replaying.replayed != o.Replayed)
	f.replaying.replayed = o.Replayed
	if !f.lacksWAL(tellsUnfed) || m.step.WaitReason != "" {
		return nil
	}
	return fmt.Errorf("it does not follow %s, which serves: since %s it replays what it has, and goes no further than %s", leader.Instance, f.unfed.UTC().Format(time.RFC3339), o.Replayed)
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
