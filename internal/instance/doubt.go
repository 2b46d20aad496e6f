package instance

import (
	"time"

	"github.com/timonier-io/timonier/internal/election"
)

// doubt is what a follower thinks of its leader.
type doubt struct {
	// since the leader is suspected, or nobody leads; what was read of the Lease before says nothing about it.
	since time.Time
	// cause of the suspicion, "" for none.
	cause string
	// heardAt is when WAL or a sign of life came from the leader last, by what mark of the walreceiver that was seen, and when that was looked at last.
	heardAt, mark, lookedAt time.Time
	// holderSince is when the holder was first seen to be the holder.
	holderSince time.Time
	// saidAt is when its heartbeat last came, as of a program that knows its copy.
	saidAt time.Time
}

// leaderChanged: whatever was thought of the former one is void.
func (m *Manager) leaderChanged(record election.Record) {
	now := time.Now()
	m.doubt = doubt{holderSince: now, heardAt: now}
	if record.Holder == "" {
		m.doubt.since = now
	}
	if record.Holder != m.options.Instance {
		m.leaving, m.leading, m.handing = "", leading{}, nil
	}
	// A loss was accepted because nobody led. Whoever leads from now on, also by it, may acknowledge what must not be lost.
	m.forced = time.Time{}
	m.following.renew()
	m.refusal = refusal{}
	delete(m.failed, cloneJob) // the next one may be cloned from at once
	m.log.Info("the Lease names another leader", "holder", record.Holder, "term", record.Term, "timeline", record.Timeline)
}

// suspect looks whether this follower has reason to think that its leader is gone.
func (m *Manager) suspect() {
	record := m.lastRecord()
	now := time.Now()
	switch {
	case record.Holder == "" && record.Handover != "" && record.Handover != m.options.Instance && now.Sub(m.doubt.holderSince) > m.failureDetection():
		m.doubt.cause = election.CauseReleased // the successor that was named does not come
		return
	case record.Holder == "" || record.Holder == m.options.Instance:
		m.doubt.cause = ""
		return
	}
	s := election.Suspicion{StreamClosed: true, Detection: m.failureDetection()}
	if o := m.process.observation; o != nil && o.InRecovery {
		if !o.HeardAt.Equal(m.doubt.mark) {
			m.doubt.mark, m.doubt.heardAt = o.HeardAt, m.doubt.heard(now, o.HeardAgo)
		}
		m.doubt.lookedAt = now
		s.StreamClosed = !o.Streaming
	}
	s.StreamSilent = now.Sub(m.doubt.heardAt)
	beat, heard := m.peers.Beat(record.Holder)
	if heard {
		// Whoever answers in its place with another copy is not the one that led. A program that does not know its own yet says nothing of it.
		s.Down, s.Broken = beat.Down || beat.Incarnation != "" && beat.Incarnation != record.HolderIncarnation, beat.Broken
		if beat.Incarnation != "" {
			m.doubt.saidAt = later(m.doubt.saidAt, beat.At)
		}
	}
	s.Silent = now.Sub(later(m.doubt.holderSince, m.doubt.saidAt))
	cause := s.Cause()
	if cause != "" && m.doubt.cause == "" {
		m.doubt.since = now
		m.log.Warn("the leader is suspected to be gone", "leader", record.Holder, "term", record.Term, "cause", cause,
			"silentMilliseconds", s.Silent.Milliseconds(), "streamClosed", s.StreamClosed)
	}
	if cause == "" && m.doubt.cause != "" {
		m.log.Info("the leader is heard again", "leader", record.Holder)
	}
	m.doubt.cause = cause
}

// heard is when the walreceiver heard something that was not there at the look before: a calm follower looks once a second, and a leader that fell silent right
// after a look is not to be missed a second later for that. By the server's clock, which may jump, it is told only within these bounds.
func (d doubt) heard(now time.Time, ago time.Duration) time.Time {
	at := now.Add(-max(ago, 0))
	for _, earliest := range []time.Time{d.heardAt, d.lookedAt} {
		if at.Before(earliest) {
			at = earliest
		}
	}
	return at
}

// failureDetection is how long a leader may be silent.
func (m *Manager) failureDetection() time.Duration {
	configuration, known := m.configuration.inForce()
	if known && configuration.Availability != nil && configuration.Availability.FailureDetectionSeconds > 0 {
		return time.Duration(configuration.Availability.FailureDetectionSeconds) * time.Second
	}
	const fallback = 2 * time.Second
	return fallback
}

// maxLag is what a standby that takes over may lack in asynchronous mode, in bytes.
func (m *Manager) maxLag() int64 {
	if configuration, known := m.configuration.inForce(); known && configuration.Availability != nil {
		return configuration.Availability.MaxLagBytes
	}
	return 0
}

// leaderIsSilent tells that a sign of life is overdue, so that the next look must not wait.
func (m *Manager) leaderIsSilent() bool {
	record := m.lastRecord()
	if record.Holder == "" || record.Holder == m.options.Instance {
		return false
	}
	const overdue = time.Second
	beat, heard := m.peers.Beat(record.Holder)
	return !heard || beat.HandsOver == m.options.Instance || beat.Broken || beat.Down || time.Since(beat.At) > overdue
}
