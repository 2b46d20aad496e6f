package instance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// following is what a follower keeps about its leader.
type following struct {
	// settled: it runs attached, so the watch of the Lease tells enough.
	settled bool
	// waiting is since when it has not streamed though its leader serves, and restarted that its server was for that.
	waiting   time.Time
	restarted bool
	// unfed is since when it does not stream though its leader serves, restarts of its server included.
	unfed time.Time
	// served is since when its leader serves without that it follows steadily: receiver, the present walreceiver, streams since receives.
	served, receives time.Time
	receiver         int
	// clones are the times at which it was cloned again because it could not follow.
	clones []time.Time
	// replaying is what the startup process was last seen to do.
	replaying replaying
	// gaveUp: it was cloned again in vain, and is not for a while.
	gaveUp bool
	// needed: it would be cloned again, if there were enough others without it.
	needed bool
	// diverged: it was stopped to be rewound.
	diverged bool
	// refused is why the data is to be cloned again although it is whole; "" for no.
	refused string
	// unreached are histories to be removed before the next start.
	unreached []string
	// leaderOpenSince is when the leader of leaderOpenTerm was first read to be open.
	leaderOpenTerm  int64
	leaderOpenSince time.Time
	dutyAt          time.Time
	floorAt         time.Time
}

// How long a follower that its leader refuses is given, and how often it may then be cloned again.
const (
	refusedPatience = 10 * time.Second
	clonesPerHour   = 3
)

// How long a standby may get no WAL though its leader serves, until it counts as not ready, so that nobody drains the node of another one, and until a person is told.
const (
	unreadyUnfed = 10 * time.Second
	tellsUnfed   = 5 * time.Minute
)

// noteFeeding notes whether it gets WAL, or could get none now.
func (f *following) noteFeeding(well bool) {
	switch {
	case well:
		f.unfed = time.Time{}
	case f.unfed.IsZero():
		f.unfed = time.Now()
	}
}

// lacksWAL tells whether it has got none for so long though its leader serves.
func (f *following) lacksWAL(patience time.Duration) bool {
	return !f.unfed.IsZero() && time.Since(f.unfed) > patience
}

// renew forgets what concerned the former leader.
func (f *following) renew() {
	f.needed, f.restarted, f.waiting, f.served, f.unfed = false, false, time.Time{}, time.Time{}, time.Time{}
}

const (
	// followPatience is how long a follower may not stream from a leader that serves before its server is restarted: its startup process may
	// have settled on a dead leader's timeline.
	followPatience = time.Second
	// steadyStream is how long one walreceiver must stream before this is called following. WAL that does not continue what is here ends it at once.
	steadyStream = 2 * time.Second
)

// seeThatItStreams restarts a server that does not stream though its leader is there, and clones again where the leader keeps refusing.
func (m *Manager) seeThatItStreams(ctx context.Context) error {
	f, p := &m.following, &m.process
	if m.streamsSteadily() {
		f.gaveUp, f.needed = false, false
		f.renew()
		m.fatal.followed()
		return nil
	}
	leader, heard := m.peers.Beat(m.lastRecord().Holder)
	serves := heard && leader.Leads && !leader.Broken
	f.noteFeeding(!serves || !m.fresh(leader) || p.observation.Streaming)
	switch {
	case !serves:
		f.waiting, f.served = time.Time{}, time.Time{}
	case f.served.IsZero():
		f.waiting, f.served = time.Now(), time.Now()
	case p.observation.Streaming:
		f.waiting = time.Time{}
	case f.waiting.IsZero():
		f.waiting = time.Now()
	}
	if p.observation.Streaming || f.served.IsZero() {
		return nil
	}
	patience := followPatience
	if p.streamedTerm == m.lastRecord().Term {
		patience = refusedPatience // its startup process is on this leader's timeline
	}
	if !f.restarted && time.Since(f.waiting) > patience && p.observation.Exhausted {
		f.restarted = true
		m.log.Warn("it does not stream though its leader serves; restarting postgres", "leader", leader.Instance)
		return m.stop(supervisor.Fast)
	}
	since, why := m.fatal.unfollowed()
	if since.IsZero() && f.lacksWAL(tellsUnfed) {
		return fmt.Errorf("it gets no WAL from %s, which serves, since %s: %s", leader.Instance, f.unfed.UTC().Format(time.RFC3339), m.fatal.received())
	}
	if since.IsZero() || time.Since(since) < refusedPatience || time.Since(f.served) < refusedPatience || time.Since(p.postmaster.StartedAt) < refusedPatience {
		return nil
	}
	whyNot := m.mayDiscard(ctx, m.lastRecord())
	if f.needed = whyNot != nil && whyNot.reason == instanceapi.WaitIrreparable; whyNot != nil {
		return fmt.Errorf("it cannot follow (%s): %s", why, whyNot.message)
	}
	if !m.cloneAgain(why) {
		return fmt.Errorf("it cannot follow (%s) and was cloned %d times within an hour, so it is not cloned again before that hour is over", why, clonesPerHour)
	}
	return m.stop(supervisor.Immediate)
}

func (m *Manager) streamsSteadily() bool {
	f, o := &m.following, m.process.observation
	if !o.Streaming || o.Receiver != f.receiver {
		f.receiver, f.receives = o.Receiver, time.Now()
	}
	return o.Streaming && time.Since(f.receives) > steadyStream
}

// cloneAgain notes that this copy is of no use, unless it was cloned in vain too often.
func (m *Manager) cloneAgain(why string) bool {
	f := &m.following
	hourAgo := time.Now().Add(-time.Hour)
	for len(f.clones) > 0 && f.clones[0].Before(hourAgo) {
		f.clones = f.clones[1:]
	}
	if f.gaveUp = len(f.clones) >= clonesPerHour; f.gaveUp {
		return false
	}
	f.clones = append(f.clones, time.Now())
	f.refused = why
	return true
}

// unfollowable tells whether a message of the log means that this standby can never follow the leader as it is.
func unfollowable(message string) bool {
	return containsAny(message,
		"has already been removed",
		"before current recovery point",
		"can no longer get changes from replication slot",
	)
}

// discontinued tells whether a message of the startup process says that what came next does not continue the WAL that is here. What is wrong first depends
// on the bytes. At the end of WAL that was recycled it is said once, and of what a leader sends again and again.
func discontinued(message string) bool {
	return containsAny(message, "incorrect prev-link", "invalid resource manager ID", "incorrect resource manager data checksum", "invalid record length", "invalid record offset")
}

func containsAny(message string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(message, part) })
}
