package election

import "github.com/timonier-io/timonier/internal/postgres"

// Steps by which a living leader names its successor, so that no vote is needed: what was acknowledged is in the leader's copy, and the
// successor has all of that.

// leaderHandsOverWhatIsConfirmed: it stops, and promises to lead no more in this revision only once the named member says that it has
// everything. Where that takes too long HandOver is no more, and it starts again as leader: nothing was sent yet. It is not begun while the API is silent;
// once it was, silence of a moment is waited out, for a start takes longer.
func leaderHandsOverWhatIsConfirmed(m Member) *Step {
	switch {
	case !m.leads() || m.HandOver == "":
		return nil
	case m.Running == RunningAsPrimary && !m.ShutDown && m.onRecord() && !m.APISilent:
		return &Step{Verb: StopForHandover}
	case !m.ShutDown:
		return nil // it crashed, or has not begun: nobody can tell where its WAL ends
	case m.APISilent || !m.confirmed():
		return &Step{Verb: Rest}
	case m.Running != NotRunning:
		return &Step{Verb: Stop}
	}
	return &Step{Verb: MakePromise, Revision: m.Lease.Revision}
}

// onRecord: this term's promotion is through.
func (m Member) onRecord() bool {
	return m.Timeline == m.Lease.Timeline && m.ControlTimeline == m.Lease.Timeline
}

// confirmed: the one member of that name holds what this copy holds, to the last record.
func (m Member) confirmed() bool {
	var named []string
	for incarnation, instance := range m.Lease.Quorum.Members {
		if instance == m.HandOver {
			named = append(named, incarnation)
		}
	}
	if len(named) != 1 || m.HandOver == m.Self || !m.ShutDown || m.Position.Term != m.Lease.Term {
		return false
	}
	held, said := m.Holds[named[0]]
	return said && held == m.Position
}

// leaderThatPromisedNeedsANewerRevision: it may have passed the Lease on without knowing. What it writes over the revision that it promised is the only
// thing that can be: the Lease is passed, or released, or it is still its own, in a newer revision.
func leaderThatPromisedNeedsANewerRevision(m Member) *Step {
	switch {
	case !m.leads() || m.Promise < m.Lease.Revision:
		return nil
	case m.Running != NotRunning:
		return &Step{Verb: Stop}
	case m.APISilent:
		return &Step{Verb: Rest}
	case !m.Fresh:
		return &Step{Verb: ReadLease}
	case m.HandOver != "" && m.confirmed():
		passed := m.released(m.HandOver)
		passed.Position = m.Position.At.String()
		return &Step{Verb: WriteLease, Record: passed}
	case m.Leave:
		return &Step{Verb: WriteLease, Record: m.released("")}
	}
	return &Step{Verb: WriteLease, Record: m.renewed()}
}

// namedMemberTakesWhatItHolds, without a vote. If its copy is not what the leader saw it to be, others elect.
func namedMemberTakesWhatItHolds(m Member) *Step {
	passed, err := postgres.ParseLSN(m.Lease.Position)
	switch {
	case m.Lease.Holder != "" || m.Lease.Handover != m.Self || !m.isMember() || err != nil:
		return nil
	case m.Attached:
		return &Step{Verb: Detach}
	case !m.Replayed:
		return &Step{Verb: Rest}
	case !m.Consistent || len(m.line()) == 0 || m.Position.Compare(Position{Term: m.Lease.Term, At: passed}) < 0:
		return nil
	}
	return &Step{Verb: WriteLease, Record: m.taken(m.Lease.Term + 1)}
}
