package instance

import (
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/peers"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// downAfter is how long a restart of postgres in place, that was asked for, may take before the others are told that it is down.
const downAfter = 10 * time.Second

// toldBeat is what the others are told, after how long again, and a channel that is closed once that has changed.
type toldBeat struct {
	beat    instanceapi.Heartbeat
	again   time.Duration
	changed chan struct{}
}

// A leader says often that it leads: its silence is a reason to elect another one. A follower's is a reason for nothing, as long as it is heard within
// failureDetectionSeconds, so that it spares the CPU of all that would hear it.
const (
	leaderBeats   = 500 * time.Millisecond
	followerBeats = time.Second
)

// Heartbeat is what the others are told now, and how soon they are to be told so again.
func (m *Manager) Heartbeat() (beat instanceapi.Heartbeat, again time.Duration, changed <-chan struct{}) {
	told := m.beat.Load()
	return told.beat, untilNext(told.again, time.Since(m.startedAt)), told.changed
}

// untilNext is how long it takes to the next beat of a clock that began so long ago: whoever goes by it is woken together with all others, and to wake up costs
// more than what it is for.
func untilNext(beat, since time.Duration) time.Duration { return beat - since%beat }

// beatsAgain is after how long a heartbeat is repeated.
func (m *Manager) beatsAgain(beat instanceapi.Heartbeat) time.Duration {
	if beat.Leads {
		return leaderBeats
	}
	return max(leaderBeats, min(followerBeats, m.failureDetection()/2))
}

// publishHeartbeat tells the others what the loop knows now, at once where it is news.
func (m *Manager) publishHeartbeat() {
	p, record := &m.process, m.lastRecord()
	identity := &m.contents.Identity
	holds := m.holdsLease(record)
	restarting := p.restarting && time.Since(p.restartAsked) < downAfter
	beat := instanceapi.Heartbeat{
		Instance: m.options.Instance, Incarnation: identity.Incarnation,
		Leads: holds && p.primary && p.observation != nil,
		Down:  record.Holder == m.options.Instance && !p.running() && !restarting && m.handing == nil && (m.job == nil || m.job.name == endJob),

		Replacing: m.replacing,
	}
	if m.step.Verb == stoppingVerb || p.killed() {
		beat.Leads, beat.Down = false, record.Holder == m.options.Instance // nobody has to wait for what still runs of the server
	}
	if m.handing != nil && m.handing.checkpointed { // before, it takes as long as the disk needs, and nobody has to keep readers out for that
		beat.HandsOver = m.handing.to
	}
	if leader, heard := m.peers.Beat(record.Holder); heard && leader.HandsOver == m.options.Instance && p.observation != nil && p.streamedTerm == record.Term {
		beat.Replayed, beat.Term = p.observation.Replayed.String(), record.Term
	}
	if o := p.observation; o != nil {
		beat.CheckpointTimeline = o.ControlTimeline
		if !o.InRecovery {
			beat.Timeline = o.Timeline
		}
		beat.Eligible = o.InRecovery && o.Streaming
		beat.Shut, beat.Stale = !p.serves(), p.attached && m.following.replaying.stale
	}
	if vote, votes := m.vote(); votes {
		beat.Vote = &vote
	}
	beat.Asks, beat.Grants = m.ask(record), m.grant(record)
	m.publishLed()
	again := m.beatsAgain(beat)
	if told := m.beat.Load(); told == nil || told.again != again || !told.beat.Equal(beat) {
		former := m.beat.Swap(&toldBeat{beat, again, make(chan struct{})}) // the watchdog may have told something meanwhile
		if former != nil {
			close(former.changed)
		}
	}
}

// publishLed tells the probe of the write path, and the watchdog, whether this instance holds the Lease.
func (m *Manager) publishLed() {
	record := m.lastRecord()
	if !m.holdsLease(record) {
		m.probes.Store(false)
		m.led.Store(nil)
		return
	}
	m.probes.Store(true)
	p := &m.process
	opened := record.LastFailover == nil || !record.LastFailover.OpenedAt.IsZero() || p.open
	led := &lead{postmaster: p.postmaster, busyDisk: m.diskIsBusy(), opened: p.primary && opened, quorum: record.Quorum.Copy(), counts: m.failureDetection()}
	if p.primary && record.Quorum.Mode != election.ModeQuorum && len(record.Quorum.Members) > 1 {
		led.ends, led.lasts = time.Now().Add(m.untilLeaseEnds(record)), m.leaseDuration()
	}
	m.led.Store(led)
}

// holdsLease tells whether the Lease is held by this very copy.
func (m *Manager) holdsLease(record election.Record) bool {
	return record.Holder == m.options.Instance && record.HolderIncarnation == m.contents.Identity.Incarnation
}

// vote that this instance has cast, for as long as it has not read a newer revision than the one it voted for.
func (m *Manager) vote() (instanceapi.Vote, bool) {
	member := m.member()
	vote, votes := member.Vote()
	if !votes || member.Promise < m.lastRecord().Revision {
		return instanceapi.Vote{}, false
	}
	return instanceapi.Vote{
		Revision: vote.Revision, Term: vote.Position.Term, Position: vote.Position.At.String(),
	}, true
}

// fresh tells that a peer is heard now.
func (m *Manager) fresh(beat peers.Beat) bool {
	return !beat.Broken && time.Since(beat.At) < m.failureDetection()
}

// streamed tells whether another member is heard that streamed when the server was last asked: by now it has lost the stream, as one does whose leader crashed.
func (m *Manager) streamed() bool { return m.process.observation != nil && len(m.successors()) > 0 }

// eligible tells whether another member says that it could lead.
func (m *Manager) eligible() bool {
	able, _ := heardOf(m.peers.Beats(), m.lastRecord().Quorum, m.failureDetection())
	return able > 0
}

// heardOf the members of a quorum, by what they say now: how many follow, so that they could lead, and how many are there at all.
func heardOf(beats map[string]peers.Beat, quorum election.Quorum, counts time.Duration) (able, there int) {
	for name, beat := range beats {
		if quorum.Members[beat.Incarnation] != name || beat.Broken || time.Since(beat.At) >= counts {
			continue
		}
		there++
		if beat.Eligible {
			able++
		}
	}
	return able, there
}
