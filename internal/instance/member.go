package instance

import (
	"slices"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/server"
	"github.com/timonier-io/timonier/internal/postgres"
)

// takeBackAfter is how long a Lease that this instance released is left to the others. overdueAfter is how long an election usually does not take. The one
// decides who leads, and the other only what a person is told: either may become another time without the other.
const (
	takeBackAfter = 5 * time.Second
	overdueAfter  = 5 * time.Second
)

// member is what this instance sees of itself, as a member of the cluster: what its next step is decided from.
func (m *Manager) member() election.Member {
	p, identity := &m.process, &m.contents.Identity
	record := m.lastRecord()
	member := election.Member{
		Self: m.options.Instance, Incarnation: identity.Incarnation, Running: m.running(),
		APISilent: m.apiSilent(), CutOff: m.cutOff(record),
		Fresh: m.lease.readable && !m.lease.doubtful && m.lease.asked.After(m.doubt.since), Settled: m.settled(),
		Promise: identity.Promise, Disclaimed: identity.Disclaimed,
		// Control is that of the last stop while nothing runs, and kept up to date while something does.
		ControlTimeline: m.contents.Control.Timeline(), Timeline: m.contents.Control.Timeline(),
		Attached: p.attached, AttachedTo: p.attachedTo, AttachedTerm: p.attachedTerm, Open: p.open || p.door, Ajar: p.open != p.door, KeepOut: m.keepsOut(record), ShutDown: p.shutDown,
		Effective: p.enforced.effective, ToldAt: p.enforced.at, OpensAt: p.opensAt,
		Suspects: m.doubt.cause != "", Votes: m.votes(record),
		Leave: m.leaving != "", Stalled: m.writes.Broken(time.Now()) >= stalledAfter, Renew: time.Since(m.leading.renewedAt) >= renewEvery || m.leading.tells(record),
		Overdue:  m.overdue(record),
		TakeBack: record.Holder == "" && time.Since(m.doubt.since) > takeBackAfter,
		Crashed:  m.compared.crashed && record.HolderIncarnation == identity.Incarnation, Ends: m.compared.ends, EndsKnown: m.compared.endsKnown,
		Reaches: m.compared.reaches, Listens: m.compared.listens,
	}
	if identity.Told != nil {
		member.Told, member.ToldTerm = *identity.Told, identity.ToldTerm
	}
	if o := p.observation; o != nil {
		member.Timeline, member.Consistent = o.Timeline, true // it accepts connections
		member.Attached = p.attached || o.Receiver != 0 && !p.cut
		if o.InRecovery {
			member.Received = o.Received
		}
		member.Replayed = o.InRecovery && !member.Attached && p.replayedTimeline != 0
		if p.replayedTimeline != 0 {
			member.Timeline = p.replayedTimeline
		}
		member.Flushed = m.flushed(record.Term)
		if !o.InRecovery {
			member.ControlTimeline = o.ControlTimeline
		}
	}
	if p.observation == nil && !p.attached && identity.Rewound != 0 && identity.Rewound == record.Term {
		member.Replayed = true // of its own WAL nothing is left to be found out; what it lacks its leader has
	}
	member.TimelineTaken = !p.primary && record.Holder == m.options.Instance && m.timelineTaken(record.Timeline)
	member.Line = identity.Lineage.Line(member.Timeline)
	member.Position = election.Position{Term: identity.Lineage.Term(member.Timeline), At: m.reaches()}
	member.HandOver, member.Holds = m.handsOver(), m.holds()
	if p.shutDown {
		member.Position = election.Position{Term: record.Term, At: m.lastRecordEnds(member.Holds)}
	}
	member.Expired, member.MaxLag = m.leaseExpired(record), m.maxLag()
	member.Force = time.Since(m.forced) < forcePatience && m.leaderReachable() == "" && !votesEnough(record, member)
	member.Wanted = m.wantedQuorum(record)
	return member
}

// overdue tells that an election lasts.
func (m *Manager) overdue(record election.Record) bool {
	return (m.doubt.cause != "" || record.Holder == "") && time.Since(m.doubt.since) > overdueAfter
}

func (m *Manager) running() election.Running {
	switch {
	case !m.process.running():
		return election.NotRunning
	case m.process.primary:
		return election.RunningAsPrimary
	}
	return election.RunningAsStandby
}

// lastRecord is what was read of the Lease last, by this program or by the one before it.
func (m *Manager) lastRecord() election.Record {
	if known := m.contents.Identity.Record; !m.lease.readable && m.lease.record.Revision == 0 && known != nil {
		return *known
	}
	return m.lease.record
}

// reaches is where this copy's recovery ends, right for a standby that is detached and has replayed everything.
func (m *Manager) reaches() postgres.LSN {
	if o := m.process.observation; o != nil {
		if o.InRecovery {
			return o.Replayed
		}
		return o.Flushed
	}
	return max(m.contents.Control.CheckpointLocation, m.contents.Control.MinRecoveryEnd)
}

// toldApart leaves those as replicas that receive for a copy of this cluster: one that is published, or the one that its instance says to have. Whoever else
// comes with the certificate of the instances, under a name like theirs, is nobody that commits wait for, or that clients are led to.
func (m *Manager) toldApart(o server.Observation) *server.Observation {
	members, all := m.lastRecord().Quorum.Members, o.Replicas
	o.Replicas, o.Others = nil, nil
	for _, replica := range all {
		beat, heard := m.peers.Beat(replica.Instance)
		known := members[replica.Incarnation] == replica.Instance || heard && beat.Incarnation == replica.Incarnation
		if known && replica.Instance != m.options.Instance {
			o.Replicas = append(o.Replicas, replica)
		} else {
			o.Others = append(o.Others, replica)
		}
	}
	return &o
}

// flushed is how far each member's copy is known to be on disk, of those that attached in this term. Of two connections under one name neither counts for more than the
// other: one of them is stale.
func (m *Manager) flushed(term int64) map[string]postgres.LSN {
	flushed := map[string]postgres.LSN{}
	for _, replica := range m.process.observation.Replicas {
		if replica.Term != term {
			continue
		}
		at, twice := flushed[replica.Incarnation]
		if !twice || replica.Flushed < at {
			flushed[replica.Incarnation] = replica.Flushed
		}
	}
	return flushed
}

// votes of the others, for the Lease as it was read.
func (m *Manager) votes(record election.Record) []election.Vote {
	var votes []election.Vote
	for name, beat := range m.peers.Beats() {
		if beat.Vote == nil || beat.Vote.Revision != record.Revision {
			continue
		}
		position, err := postgres.ParseLSN(beat.Vote.Position)
		if err != nil {
			continue // a newer program's; it does not count
		}
		votes = append(votes, election.Vote{
			Instance: name, Incarnation: beat.Incarnation, Revision: beat.Vote.Revision,
			Position: election.Position{Term: beat.Vote.Term, At: position},
		})
	}
	slices.SortFunc(votes, func(a, b election.Vote) int { return b.Position.Compare(a.Position) })
	return votes
}

// wantedQuorum is what this leader wants published: those that follow closely, and as many of them as the spec asks for.
func (m *Manager) wantedQuorum(record election.Record) election.Quorum {
	configuration, known := m.configuration.inForce()
	if !known || configuration.Availability == nil || !m.process.primary || m.process.observation == nil {
		return record.Quorum
	}
	return m.reach.wanted(m.turnTime(), m.contents.Identity.Incarnation, m.options.Instance, configuration, record.Quorum)
}
