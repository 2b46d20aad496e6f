package instance

import (
	"strconv"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// In asynchronous mode a leader stops when its lease ends, for somebody else may take it then without a vote. Where only the API server is silent it need
// not: it asks the members, and each that follows it puts its own clock back before it answers. What is sent by the leader before that is
// what its own lease then counts from. No member's word has to outlive its program: one that starts waits for a whole lease duration anyway.

// askEvery is how often a leader asks again, at most.
const askEvery = 500 * time.Millisecond

// reprieve is what this instance asked for, and what it granted.
type reprieve struct {
	asked, granted *instanceapi.Ask
	// grantedAt is when it put its clock back.
	grantedAt time.Time
}

// ask is what the members are asked, nil while the lease is renewed in time.
func (m *Manager) ask(record election.Record) *instanceapi.Ask {
	r := &m.reprieve
	holds := record.Holder == m.options.Instance && record.HolderIncarnation == m.contents.Identity.Incarnation
	if !holds || record.Quorum.Mode != election.ModeAsynchronous || time.Since(m.revisionSince) < renewEvery+idleTurn {
		r.asked = nil
		return nil
	}
	at := time.Since(m.startedAt)
	if r.asked == nil || r.asked.Term != record.Term || at-r.asked.Sent() >= askEvery {
		r.asked = &instanceapi.Ask{Term: record.Term, Program: m.program(), Milliseconds: at.Milliseconds()}
	}
	return r.asked
}

// grant what the leader asks for, if this instance follows it. What was granted once remains true.
func (m *Manager) grant(record election.Record) *instanceapi.Ask {
	r := &m.reprieve
	leader, heard := m.peers.Beat(record.Holder)
	follows := heard && m.fresh(leader) && leader.Incarnation == record.HolderIncarnation && record.Quorum.Mode == election.ModeAsynchronous &&
		m.doubt.cause == "" && m.process.attachedTo == record.Holder && m.contents.Identity.Promise < record.Revision
	if follows && leader.Asks != nil && leader.Asks.Term == record.Term && (r.granted == nil || *r.granted != *leader.Asks) {
		asked := *leader.Asks
		r.granted, r.grantedAt = &asked, time.Now()
	}
	if r.granted != nil && r.granted.Term != record.Term {
		r.granted = nil
	}
	return r.granted
}

// reprieved is the moment from which this leader's lease counts by what all other members have granted; zero where one has not.
func (m *Manager) reprieved(record election.Record) time.Time {
	earliest := time.Time{}
	for incarnation, name := range record.Quorum.Members {
		if incarnation == m.contents.Identity.Incarnation {
			continue
		}
		beat, _ := m.peers.Beat(name)
		granted := beat.Grants
		if beat.Incarnation != incarnation || granted == nil || granted.Program != m.program() || granted.Term != record.Term {
			return time.Time{}
		}
		if since := m.startedAt.Add(granted.Sent()); earliest.IsZero() || since.Before(earliest) {
			earliest = since
		}
	}
	return earliest
}

// program names this very program: a clock that counts from its start means nothing to another one.
func (m *Manager) program() string { return strconv.FormatInt(m.startedAt.UnixNano(), 36) }

// stopsWithin is how long a holder has from the end of its lease until others may take it: it has to notice that, and its server to stop.
const stopsWithin = time.Second

// leaseExpired tells that a lease duration has passed by this clock: for the holder since it sent what last renewed it, for others, who wait a little
// longer, since they first read of that; for both since a reprieve, if that is later. It decides in asynchronous mode alone. A holder that does not know when it
// renewed it has to do so, or to be granted one, first.
func (m *Manager) leaseExpired(record election.Record) bool {
	if record.Holder == m.options.Instance {
		return record.Revision != 0 && m.untilLeaseEnds(record) < 0
	}
	return record.Revision != 0 && !m.revisionSince.IsZero() && time.Since(later(m.revisionSince, m.reprieve.grantedAt)) > m.leaseDuration()+stopsWithin
}

// untilLeaseEnds for its holder.
func (m *Manager) untilLeaseEnds(record election.Record) time.Duration {
	return time.Until(later(m.revisionSince, m.reprieved(record)).Add(m.leaseDuration()))
}

// leaseDuration is how long a leader that renews no more counts as alive, as it said itself with the renewal that was read last: what is configured reaches each
// instance at another time.
func (m *Manager) leaseDuration() time.Duration {
	if published := m.lease.object.DurationSeconds; published > 0 && m.lease.exists && !m.lease.edited {
		return time.Duration(published) * time.Second
	}
	return m.configuredLease()
}

// configuredLease is for how long a leader renews from now on.
func (m *Manager) configuredLease() time.Duration {
	if configuration, known := m.configuration.inForce(); known && configuration.Availability != nil {
		return time.Duration(configuration.Availability.LeaseDurationSeconds) * time.Second
	}
	return leaseSeconds * time.Second
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
