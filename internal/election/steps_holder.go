package election

import (
	"fmt"
	"maps"
	"slices"

	"github.com/timonier-io/timonier/internal/postgres"
)

// Steps of the member that holds the Lease: from winning it to leaving.

func holderWithAnotherCopyLeadsNothing(m Member) *Step {
	switch {
	case !m.holds() || m.leads():
		return nil
	case m.Running == RunningAsPrimary:
		return &Step{Verb: Stop}
	}
	return &Step{Verb: Rest}
}

// leaderThatLeavesStopsFirst: with nobody named, since nobody knows who has the last commit.
func leaderThatLeavesStopsFirst(m Member) *Step {
	switch {
	case m.leads() && m.Leave && m.APISilent && m.Stalled:
		return &Step{Verb: Rest} // it can do nothing else
	case !m.leads() || !m.Leave || m.APISilent:
		return nil // without the API nobody else can lead, and this one goes on
	case m.Running != NotRunning:
		return &Step{Verb: Stop}
	}
	return &Step{Verb: WriteLease, Record: m.released("")}
}

// released is the record of nobody's Lease; whose it was stays: see last_holder_may_take_it_back.
func (m Member) released(handover string) Record {
	released := m.Lease.Copy()
	released.Holder, released.Handover = "", handover
	released.Revision++
	return released
}

// asynchronousLeaderStopsWhenItsLeaseEnds: from then on somebody else may lead, without a vote. Not where nobody else can.
func asynchronousLeaderStopsWhenItsLeaseEnds(m Member) *Step {
	switch {
	case !m.leads() || m.Lease.Quorum.Mode != ModeAsynchronous || !m.Expired || len(m.Lease.Quorum.Members) <= 1:
		return nil
	case m.Running == RunningAsPrimary:
		return &Step{Verb: Stop}
	case m.APISilent:
		return &Step{Verb: Rest}
	}
	return &Step{Verb: WriteLease, Record: m.renewed()}
}

// leaderThatIsCutOffStops where commits wait for a quorum: they wait in vain, and somebody else may lead by now. Clients get an error, rather than to wait
// without an end or to read what is old. Not where nobody else can lead.
func leaderThatIsCutOffStops(m Member) *Step {
	switch {
	case !m.leads() || m.Lease.Quorum.Mode != ModeQuorum || !m.CutOff || len(m.Lease.Quorum.Members) <= 1:
		return nil
	case m.Running == RunningAsPrimary:
		return &Step{Verb: Stop}
	}
	return &Step{Verb: Rest}
}

// leaderRenews: every renewal is another revision. It voids the votes that were cast for the one before, and what this leader
// sent and does not know the fate of. It comes before all that may have to wait for others. While the API is silent
// it must not keep a leader from what is next, as from opening its door after a restart in place.
func leaderRenews(m Member) *Step {
	if !m.leads() || (m.Settled && !m.Renew) || m.Running != RunningAsPrimary || m.APISilent {
		return nil
	}
	return &Step{Verb: WriteLease, Record: m.renewed()}
}

func (m Member) renewed() Record {
	renewed := m.Lease.Copy()
	renewed.Revision++
	// Never less than was told before: by a server that stops it may not be known, and what a successor lacks is counted from it.
	if told, err := postgres.ParseLSN(renewed.Position); m.Running == RunningAsPrimary && (err != nil || told < m.Position.At) {
		renewed.Position = m.Position.At.String()
	}
	return renewed
}

// leaderThatCrashedIsCompared with the members that it reaches, before it writes anything: a disk that lied has lost what it said to have flushed, and
// others may have that. Started in place it would write something else there, and they would take that over.
func leaderThatCrashedIsCompared(m Member) *Step {
	quorum := m.Lease.Quorum
	if !m.leads() || !m.Crashed || m.Running != NotRunning || quorum.Mode != ModeQuorum || quorum.alone() || m.ControlTimeline != m.Lease.Timeline || m.Disclaims() {
		return nil
	}
	if !m.EndsKnown {
		return &Step{Verb: FindEnd}
	}
	for _, incarnation := range slices.Sorted(maps.Keys(m.Reaches)) {
		name, reaches := quorum.Members[incarnation], m.Reaches[incarnation]
		if name != "" && incarnation != m.Incarnation && m.Ends != 0 && reaches.Term == m.Lease.Term && reaches.At > m.Ends {
			return &Step{Verb: Disclaim, Message: fmt.Sprintf(
				"%s has WAL of term %d up to %s, and what is on this disk ends at %s: it has lost what it had said to have kept, so that this instance neither leads nor votes before it has followed another one",
				name, reaches.Term, reaches.At, m.Ends)}
		}
	}
	if m.Listens {
		return &Step{Verb: Rest, Message: "it crashed as the leader, and asks the members whether they have more than its disk has kept"}
	}
	return nil
}

// Disclaims tells that this copy, that led last, has lost something that a member has. A vote says that nothing is missing that the copy ever confirmed: it
// casts none.
func (m Member) Disclaims() bool {
	return m.Disclaimed != 0 && m.Disclaimed == m.Lease.Term && m.Lease.HolderIncarnation == m.Incarnation
}

// leaderThatHasLostSomethingReleases the Lease, and waits with that where the API is silent: by nothing may it start.
func leaderThatHasLostSomethingReleases(m Member) *Step {
	switch {
	case !m.leads() || !m.Disclaims():
		return nil
	case m.Running != NotRunning:
		return &Step{Verb: Stop}
	case m.APISilent:
		return &Step{Verb: Rest, Message: "its disk has lost what a member has, and the Kubernetes API does not answer, so that it cannot release the Lease"}
	}
	return &Step{Verb: WriteLease, Record: m.released("")}
}

func holderPromotesToTheLeasesTimeline(m Member) *Step {
	switch {
	case !m.leads():
		return nil
	case m.Running == NotRunning && m.ControlTimeline == m.Lease.Timeline:
		return &Step{Verb: StartPrimary}
	case m.Running == NotRunning:
		return &Step{Verb: StartStandby} // a promotion that was interrupted is made up for
	case m.Running == RunningAsPrimary && (m.ShutDown || m.Timeline != m.Lease.Timeline && (!m.Open || m.Ajar)):
		return &Step{Verb: Stop}
	case m.Running == RunningAsPrimary:
		// One that is open already wrote a Lease anew that was lost: it owes a promotion to the next start.
		return nil
	case m.Open:
		return &Step{Verb: CloseDoor}
	case m.Attached:
		return &Step{Verb: Detach}
	case !m.Replayed || !m.Consistent:
		return &Step{Verb: Rest}
	}
	return holderEndsRecovery(m)
}

// holderEndsRecovery of a copy that is complete, under a number that no promotion ever began with, and with the very position in
// the Lease's history: others judge by it whether they have diverged.
func holderEndsRecovery(m Member) *Step {
	numberIsFree := !m.TimelineTaken && m.Timeline < m.Lease.Timeline
	switch {
	case numberIsFree && m.forkIsPublished() && m.toldEnough():
		return &Step{Verb: EndRecovery}
	case numberIsFree && m.forkIsPublished():
		return &Step{Verb: Tell, Quorum: m.Lease.Quorum}
	case m.APISilent:
		return &Step{Verb: Rest}
	case !numberIsFree:
		return &Step{Verb: WriteLease, Record: m.taken(m.Lease.Term + 1)}
	}
	return &Step{Verb: WriteLease, Record: m.taken(m.Lease.Term)}
}

// forkIsPublished: the Lease's history says of its timeline that it begins where recovery ends here.
func (m Member) forkIsPublished() bool {
	for _, fork := range m.Lease.History {
		at, err := postgres.ParseLSN(fork.At)
		if err == nil && fork.Timeline == m.Lease.Timeline && at == m.Position.At {
			return true
		}
	}
	return false
}

// toldImpliesPublished, and is effective, before anything else.
func toldImpliesPublished(m Member) *Step {
	switch {
	case !m.leads():
		return nil
	case !m.toldEnough():
		return &Step{Verb: Tell, Quorum: m.Lease.Quorum}
	case !m.Effective:
		return &Step{Verb: MakeEffective}
	}
	return nil
}

// toldEnough: who is waited for follows in this term, and is as much as what is published.
func (m Member) toldEnough() bool {
	return m.Told.Implies(m.Lease.Quorum) && (m.ToldTerm == m.Lease.Term || m.Told.alone())
}

// doorOpensBehindTheBarrier: what ended recovery, and with it all that came before, is on enough members for what is
// published and for what was told.
func doorOpensBehindTheBarrier(m Member) *Step {
	if !m.leads() || m.Open && !m.Ajar || !m.flushed(m.Lease.Quorum, m.OpensAt) || !m.flushed(m.Told, m.OpensAt) {
		return nil
	}
	return &Step{Verb: OpenDoor}
}

// flushed tells whether enough members of a quorum have everything up to a position.
func (m Member) flushed(quorum Quorum, upTo postgres.LSN) bool {
	count := 0
	for incarnation := range quorum.Members {
		if incarnation == m.Incarnation || m.Flushed[incarnation] >= upTo {
			count++
		}
	}
	return quorum.alone() || count >= quorum.Required
}

func quorumChangesStepByStep(m Member) *Step {
	if !m.leads() || !m.Settled {
		return nil // what may yet be published by its own hand holds too
	}
	change, wanted := NextChange(m.Lease.Quorum, m.Wanted)
	switch {
	case !wanted && !m.Told.Equal(m.Lease.Quorum):
		return &Step{Verb: Tell, Quorum: m.Lease.Quorum}
	case !wanted:
		return nil
	case change.TellFirst && !m.Told.Equal(change.Quorum):
		return &Step{Verb: Tell, Quorum: change.Quorum}
	case change.TellFirst && !m.flushed(change.Quorum, m.ToldAt):
		return &Step{Verb: Rest}
	case !change.TellFirst && !m.Told.Equal(m.Lease.Quorum):
		return &Step{Verb: Tell, Quorum: m.Lease.Quorum} // one change at a time
	case m.APISilent:
		return nil
	}
	next := m.Lease.Copy()
	next.Quorum = change.Quorum.Copy()
	next.Revision++
	return &Step{Verb: WriteLease, Record: next}
}

// promotionIsCheckpointed, which need not be waited for: until then a start in place promotes once more, and nobody can be rewound.
func promotionIsCheckpointed(m Member) *Step {
	if !m.leads() || m.Running != RunningAsPrimary || m.ControlTimeline >= m.Timeline {
		return nil
	}
	return &Step{Verb: Checkpoint}
}

func holderRests(m Member) *Step {
	if !m.holds() {
		return nil
	}
	return &Step{Verb: Rest}
}
