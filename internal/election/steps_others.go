package election

import (
	"fmt"
	"slices"
	"strings"
)

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
	if m.Lease.Holder != "" || m.Lease.HolderIncarnation != m.Incarnation || !m.TakeBack || m.Disclaims() {
		return nil
	}
	if m.Attached || !m.Replayed || !m.Consistent || len(m.line()) == 0 {
		return nil
	}
	if own, votes := m.Vote(); m.Crashed && m.Lease.Quorum.Mode == ModeQuorum && (!votes || nobodyIsAhead(m.Lease, own, valid(m.Lease, m.Votes)) != "") {
		return nil // it had released the Lease before it crashed, and its disk has lost what a voter has
	}
	return &Step{Verb: WriteLease, Record: m.taken(m.Lease.Term + 1)}
}

// line that this copy is on, up to the timeline of its last record; others are told by it whether they have diverged. It is empty where this copy has
// followed a leader of whose term it never read.
func (m Member) line() []Fork {
	for _, history := range [][]Fork{m.Line, m.Lease.History} {
		known := slices.IndexFunc(history, func(f Fork) bool { return f.Timeline == m.Timeline })
		if known >= 0 {
			return slices.Clone(history[:known+1])
		}
	}
	return nil
}

// taken is the record by which this member leads in a term: a new one, with a timeline of its own, or the present one again with its
// history corrected.
func (m Member) taken(term int64) Record {
	taken := m.Lease.Copy()
	if term != taken.Term {
		taken.Term, taken.Timeline = term, max(taken.Timeline, m.Timeline)+1
	}
	taken.Holder, taken.HolderIncarnation, taken.Handover = m.Self, m.Incarnation, ""
	taken.Position = m.Position.At.String()
	taken.Revision++
	// Its own line, and nothing else: what a leader began that this copy never followed is no part of it, and what the last one dropped that this
	// copy has is.
	taken.History = m.line()
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
	if m.Disclaims() {
		return &Step{Verb: ReadLease, Message: fmt.Sprintf("its disk has lost what it had confirmed in term %d: it neither leads nor votes before another instance has led", m.Lease.Term)}
	}
	own, votes := m.Vote()
	if !votes || len(m.line()) == 0 || MayTake(m.Lease, own, m.Votes) != "" {
		return &Step{Verb: ReadLease, Message: m.waitsFor()}
	}
	return &Step{Verb: WriteLease, Record: m.taken(m.Lease.Term + 1)}
}

// waitsFor tells a person why this voter does not lead, once that lasts.
func (m Member) waitsFor() string {
	if lacks := m.lacksTooMuch(); lacks != "" || !m.Overdue || m.Lease.Quorum.Mode != ModeQuorum {
		return lacks
	}
	own, votes := m.Vote()
	switch {
	case !votes:
		return "there is an election, and it cannot vote before it has replayed all that it has"
	case len(m.line()) == 0:
		return "it votes, and cannot lead: it has followed a leader of whose term it never read"
	}
	_, why, _ := strings.Cut(MayTake(m.Lease, own, m.Votes), ": ")
	return "it votes, and cannot lead yet: " + why
}

func suspicionReadsDetachesAndPromises(m Member) *Step {
	released := m.Lease.Holder == "" && m.Lease.Handover == ""
	switch {
	case !m.isMember() || (!m.Suspects && !released):
		return nil
	case !m.Fresh:
		return &Step{Verb: ReadLease}
	case m.Attached:
		return &Step{Verb: Detach}
	}
	return &Step{Verb: MakePromise, Revision: m.Lease.Revision}
}

// gateLeadsToTheHolderOnly, and to one of this term: whoever led before and leads again may have been rewound in between.
func gateLeadsToTheHolderOnly(m Member) *Step {
	if !m.Attached || (m.AttachedTo == m.Lease.Holder && m.AttachedTerm == m.Lease.Term) {
		return nil
	}
	return &Step{Verb: Detach}
}

// othersFollow the holder, told what is published: one that is to lead seldom needs to be told then. Nor does it need to end anybody's session then, when clients
// already wait for it: it does that while its leader stops.
func othersFollow(m Member) *Step {
	switch {
	case m.Lease.Holder == "" || m.holds():
		return nil
	case !m.Told.Equal(m.Lease.Quorum):
		return &Step{Verb: Tell, Quorum: m.Lease.Quorum}
	case !m.Attached && m.Replayed:
		return &Step{Verb: Attach}
	case m.KeepOut && m.Open:
		return &Step{Verb: CloseDoor}
	case !m.KeepOut && (!m.Open || m.Ajar) && m.Consistent:
		return &Step{Verb: OpenDoor}
	}
	return nil
}
