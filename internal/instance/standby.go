package instance

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/timonier-io/timonier/internal/instance/supervisor"
)

// following is what a follower keeps about its leader.
type following struct {
	// settled: it runs attached, so the watch of the Lease tells enough.
	settled bool
	// streamedAt is when it last received WAL.
	streamedAt time.Time
	// clones are the times at which it was cloned again because it could not follow.
	clones []time.Time
	// gaveUp: it was cloned again in vain, and is not for a while.
	gaveUp bool
	// refused is why the data is to be cloned again although it is whole; "" for no.
	refused string
	dutyAt  time.Time
	floorAt time.Time
}

// How long a follower that its leader refuses is given, and how often it may then be cloned again.
const (
	refusedPatience = 10 * time.Second
	clonesPerHour   = 3
)

// follow makes this instance a standby of the holder, one step a turn.
func (m *Manager) follow(ctx context.Context) error {
	if m.following.refused != "" {
		return m.clone(ctx)
	}
	p := &m.process
	record := m.lease.record
	m.leading = leading{}
	m.publisher.Publish(nil)
	m.following.settled = false
	if !p.running() {
		if ready, err := m.readyToStart(ctx); err != nil || !ready {
			return err
		}
		if err := m.prepareFiles(true, true); err != nil {
			return err
		}
		if err := m.removePlaceholders(); err != nil {
			return err
		}
		if err := m.attach(record.Address, m.contents.Identity.Incarnation); err != nil {
			return err
		}
		return m.start(false, true, true)
	}
	if p.primary {
		return m.stop(supervisor.Immediate)
	}
	if err := m.attach(record.Address, m.contents.Identity.Incarnation); err != nil {
		return err
	}
	if p.observation == nil {
		return nil
	}
	if !p.open {
		if err := m.setOpen(true); err != nil {
			return err
		}
		p.open = true
	}
	if err := m.syncFiles(); err != nil {
		return err
	}
	m.following.settled = true
	m.followerDuties(ctx)
	if p.stopping() {
		return nil
	}
	return m.recloneIfRefused(ctx)
}

// recloneIfRefused clones again where the leader keeps refusing: the WAL that this standby needs is gone, or the histories differ.
func (m *Manager) recloneIfRefused(ctx context.Context) error {
	f := &m.following
	if m.process.observation.Streaming {
		f.streamedAt, f.gaveUp = time.Now(), false
		m.fatal.followed()
		return nil
	}
	since, why := m.fatal.unfollowed()
	if since.IsZero() || time.Since(since) < refusedPatience || time.Since(m.process.postmaster.StartedAt) < refusedPatience {
		return nil
	}
	hourAgo := time.Now().Add(-time.Hour)
	for len(f.clones) > 0 && f.clones[0].Before(hourAgo) {
		f.clones = f.clones[1:]
	}
	if f.gaveUp = len(f.clones) >= clonesPerHour; f.gaveUp {
		return fmt.Errorf("it cannot follow (%s) and was cloned %d times within an hour, so it is not cloned again before that hour is over", why, clonesPerHour)
	}
	if allowed, whyNot := m.mayDiscard(ctx, m.lease.record); !allowed {
		return fmt.Errorf("it cannot follow (%s): %s", why, whyNot)
	}
	f.clones = append(f.clones, time.Now())
	m.following.refused = why
	return m.stop(supervisor.Immediate)
}

// unfollowable tells whether a message of the log means that this standby can never follow the leader as it is.
func unfollowable(message string) bool {
	for _, part := range []string{
		"has already been removed",
		"before current recovery point",
		"is not in this server's history",
		"can no longer get changes from replication slot",
		"incorrect prev-link",
	} {
		if strings.Contains(message, part) {
			return true
		}
	}
	return false
}
