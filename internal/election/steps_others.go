package election

import "slices"

// Steps of everybody else: following, voting, standing.

func otherPrimaryStops(m Member) *Step {
	if m.Running != RunningAsPrimary {
		return nil
	}
	return &Step{Verb: Stop}
}

func serverRuns(m Member) *Step {
	if m.Running != NotRunning {
		return nil
	}
	return &Step{Verb: StartStandby}
}

// lastHolderMayTakeItBack without a vote: all that was ever acknowledged is on it, and nobody can have acknowledged anything
// since, as nobody has led. Without this a cluster would stay without a leader whose other members cannot vote, because they are being mended.
func lastHolderMayTakeItBack(m Member) *Step {
	if m.Lease.Holder != "" || m.Lease.HolderIncarnation != m.Incarnation || !m.TakeBack {
		return nil
	}
	if m.Attached || !m.Replayed || !m.Consistent {
		return nil
	}
	return &Step{Verb: WriteLease, Record: m.taken()}
}

// taken is the record by which this member takes the Lease.
func (m Member) taken() Record {
	taken := m.Lease.Copy()
	taken.Holder, taken.HolderIncarnation = m.Self, m.Incarnation
	taken.Term, taken.Timeline, taken.Revision = taken.Term+1, taken.Timeline+1, taken.Revision+1
	// Its own line alone: what a leader began that this copy never followed is no part of it.
	taken.History = slices.DeleteFunc(taken.History, func(f Fork) bool { return f.Timeline > m.Timeline })
	taken.History = append(taken.History, Fork{Term: taken.Term, Timeline: taken.Timeline, At: m.Position.At.String()})
	return taken
}

// voterStaysDetached until it has read a newer revision than the one it voted for, and takes the Lease where it may.
func voterStaysDetached(m Member) *Step {
	if m.Promise < m.Lease.Revision || m.Promise == 0 {
		return nil
	}
	if m.Attached {
		return &Step{Verb: Detach}
	}
	own, votes := m.Vote()
	if !votes || MayTake(m.Lease, own, m.Votes) != "" {
		return &Step{Verb: ReadLease}
	}
	return &Step{Verb: WriteLease, Record: m.taken()}
}

func suspicionReadsDetachesAndPromises(m Member) *Step {
	_, member := m.Lease.Quorum.Members[m.Incarnation]
	switch {
	case !member || (!m.Suspects && m.Lease.Holder != ""):
		return nil
	case !m.Fresh:
		return &Step{Verb: ReadLease}
	case m.Attached:
		return &Step{Verb: Detach}
	}
	return &Step{Verb: MakePromise, Revision: m.Lease.Revision}
}

func gateLeadsToTheHolderOnly(m Member) *Step {
	if !m.Attached || m.AttachedTo == m.Lease.Holder {
		return nil
	}
	return &Step{Verb: Detach}
}

// divergedCopyIsMended: rewound, so that it keeps what was acknowledged, and its incarnation with it.
func divergedCopyIsMended(m Member) *Step {
	if m.Attached || m.Lease.Holder == "" || m.holds() || !m.Replayed || !Diverged(m.Lease, m.Timeline, m.Position.At) {
		return nil
	}
	return &Step{Verb: Rewind}
}

// othersFollow the holder, told what is published: one that is to lead seldom needs to be told then.
func othersFollow(m Member) *Step {
	switch {
	case m.Lease.Holder == "" || m.holds():
		return nil
	case !m.Told.Equal(m.Lease.Quorum):
		return &Step{Verb: Tell, Quorum: m.Lease.Quorum}
	case !m.Attached && m.Replayed:
		return &Step{Verb: Attach}
	case !m.Open && m.Consistent:
		return &Step{Verb: OpenDoor}
	}
	return nil
}
