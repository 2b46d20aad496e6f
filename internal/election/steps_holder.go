package election

import "github.com/timonier-io/timonier/internal/postgres"

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
	case !m.leads() || !m.Leave:
		return nil
	case m.Running != NotRunning:
		return &Step{Verb: Stop}
	}
	released := m.Lease.Copy()
	// Whose it was stays: see last_holder_may_take_it_back.
	released.Holder = ""
	released.Revision++
	return &Step{Verb: WriteLease, Record: released}
}

// leaderRenews: every renewal is another revision. It voids the votes that were cast for the one before, and what this leader
// sent and does not know the fate of.
func leaderRenews(m Member) *Step {
	if !m.leads() || (m.Settled && !m.Renew) || m.Running != RunningAsPrimary {
		return nil
	}
	renewed := m.Lease.Copy()
	renewed.Revision++
	return &Step{Verb: WriteLease, Record: renewed}
}

func holderPromotesToTheLeasesTimeline(m Member) *Step {
	switch {
	case !m.leads():
		return nil
	case m.Running == NotRunning && m.ControlTimeline == m.Lease.Timeline:
		return &Step{Verb: StartPrimary}
	case m.Running == NotRunning:
		return &Step{Verb: StartStandby} // a promotion that was interrupted is made up for
	case m.Running == RunningAsPrimary && m.Timeline != m.Lease.Timeline:
		return &Step{Verb: Stop}
	case m.Running == RunningAsPrimary && m.ControlTimeline != m.Lease.Timeline:
		return &Step{Verb: Checkpoint}
	case m.Running == RunningAsPrimary:
		return nil
	case m.Open:
		return &Step{Verb: CloseDoor}
	case m.Attached:
		return &Step{Verb: Detach}
	case !m.Replayed || !m.Consistent:
		return &Step{Verb: Rest}
	case !m.Told.Implies(m.Lease.Quorum):
		return &Step{Verb: Tell, Quorum: m.Lease.Quorum}
	}
	return &Step{Verb: EndRecovery}
}

// toldImpliesPublished, and is effective, before anything else.
func toldImpliesPublished(m Member) *Step {
	switch {
	case !m.leads():
		return nil
	case !m.Told.Implies(m.Lease.Quorum):
		return &Step{Verb: Tell, Quorum: m.Lease.Quorum}
	case !m.Effective:
		return &Step{Verb: MakeEffective}
	}
	return nil
}

// doorOpensBehindTheBarrier: what ended recovery, and with it all that came before, is on enough members for what is
// published and for what was told.
func doorOpensBehindTheBarrier(m Member) *Step {
	if !m.leads() || m.Open || !m.flushed(m.Lease.Quorum, m.OpensAt) || !m.flushed(m.Told, m.OpensAt) {
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
	if !m.leads() {
		return nil
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
	}
	next := m.Lease.Copy()
	next.Quorum = change.Quorum.Copy()
	next.Revision++
	return &Step{Verb: WriteLease, Record: next}
}

func holderRests(m Member) *Step {
	if !m.holds() {
		return nil
	}
	return &Step{Verb: Rest}
}
