//go:build sim

package sim

import (
	"slices"
	"testing"

	"github.com/timonier-io/timonier/internal/election"
)

// Losses that take so much in a row that chance would need too long: most of it is staged, and only the rest is left to the seed.
func TestTheSimulatorFindsTheLossInWhatIsStaged(t *testing.T) {
	reopens := protocol()
	reopens.Next = func(m election.Member) election.Step {
		if m.Lease.Holder == m.Self && m.Promise >= m.Lease.Revision && m.HandOver == "" {
			m.Promise, m.Settled = 0, true
		}
		return election.NextStep(m)
	}
	anyTerm, writesAny, doNotVote := protocol(), losing(protocol()), losing(protocol())
	noTerm := seen(func(m *election.Member) {
		if len(m.Line) == 0 {
			m.Position.Term = 0
		}
	})
	anyTerm.CountsAnyTerm, writesAny.WritesAnyLostLease, doNotVote.OrphansDoNotVote = true, true, true
	for name, tc := range map[string]struct {
		right, broken Rules
		stage         func(t *testing.T, w *World) bool
		nodes         int
	}{
		"reopened_after_passing":                {protocol(), reopens, passedLate, 3},
		"ack_counted_in_any_term":               {protocol(), anyTerm, leadsAgain, 5},
		"what_was_never_read_of_counts_nothing": {protocol(), noTerm, followedUnread, 5},
		"any_leader_writes_a_lost_lease_again":  {losing(protocol()), writesAny, writtenByOneThatWasReplaced, 3},
		"orphans_do_not_vote":                   {losing(protocol()), doNotVote, reportedBeforeARestart, 2},
	} {
		t.Run(name, func(t *testing.T) {
			lost := 0
			for seed := range uint64(20) {
				if w := quietBy(t, seed, tc.nodes, tc.right); tc.stage(t, w) && w.violation != "" {
					t.Fatalf("seed %d: %s", seed, w.violation)
				}
				if w := quietBy(t, seed, tc.nodes, tc.broken); tc.stage(t, w) && w.violation != "" {
					lost++
				}
			}
			if lost == 0 {
				t.Error("nothing is lost with any seed")
			}
		})
	}
}

// happens before too long.
func happens(w *World, reached func() bool) bool {
	for range steps {
		if reached() {
			return true
		}
		if w.Step(); w.violation != "" {
			return false
		}
	}
	return false
}

// passedLate: the update by which a leader passes the Lease on is under way for long. It gives the handover up, and what it writes until the update lands
// does not reach the one that was named.
func passedLate(t *testing.T, w *World) bool {
	t.Helper()
	w.wishes = content
	leader, named := w.leader(), w.nodes[2]
	if leader == named {
		return false
	}
	for _, nd := range w.nodes {
		nd.apiCut = nd != leader // these vote for nothing meanwhile
	}
	leader.handOver = named.name
	if !happens(w, func() bool { return leader.promise >= leader.lease.Revision }) {
		return false
	}
	leader.apiCut = true
	if !happens(w, func() bool { return len(w.api.pending) > 0 }) {
		return false
	}
	passing := w.api.pending
	w.api.Forget()
	leader.handOver = ""
	w.cut[[2]*node{leader, named}] = true
	named.apiCut = true
	leader.apiCut = false
	acknowledged := w.writesOn()
	happens(w, func() bool { return acknowledged() })
	w.api.pending = passing
	w.api.Land(first)
	clear(w.cut)
	for _, nd := range w.nodes {
		nd.apiCut = nd == leader
	}
	happens(w, func() bool { return w.leader() == named && named.server.Open && !named.server.Recovery })
	return true
}

// leadsAgain: a standby that is cut off from the API has more than the leader of its term ever got acknowledged. That leader is replaced, rewound,
// and leads again; the standby still connects to it, by what it read in the first term. What it has flushed says nothing of a later one.
func leadsAgain(t *testing.T, w *World) bool {
	t.Helper()
	w.wishes = content
	former, stale := w.leader(), w.nodes[2]
	if former == stale {
		return false
	}
	former.apiCut, stale.apiCut = true, true
	for _, nd := range w.nodes {
		w.cut[[2]*node{former, nd}], w.cut[[2]*node{nd, former}] = nd != stale && nd != former, nd != former
	}
	for range 500 {
		w.write(former)
		w.stream(stale)
	}
	if !happens(w, func() bool { return w.leader() != former && w.leader() != nil && w.leader().server.Open }) {
		return false
	}
	clear(w.cut)
	former.apiCut = false
	again := happens(w, func() bool {
		leader, follows := w.leader(), former.server != nil && former.server.Receiver != nil && former.server.Consistent()
		if leader != nil && leader != former && leader.server != nil && !leader.data.ShutDown {
			leader.handOver = ""
			if follows && former.end()+3 > leader.end() {
				leader.handOver = former.name
			}
		} else if leader != nil && w.chance(1) {
			leader.handOver = "" // it took too long
		}
		return leader == former && former.server != nil && former.server.Open && !former.server.Recovery
	})
	if !again || former.end() >= stale.end() || stale.followsTerm != 1 {
		return false
	}
	connected := func() bool {
		return slices.ContainsFunc(former.server.senders, func(s *Sender) bool { return s.Slot == stale.incarnation })
	}
	if !happens(w, connected) {
		return false
	}
	for _, nd := range w.nodes[3:] {
		w.cut[[2]*node{former, nd}], nd.apiCut = true, true
	}
	happens(w, func() bool { return false })
	return true
}

// followedUnread: a standby that is cut off from the API server has what two others need, and gets WAL of a term that it never reads of: its leader takes
// the Lease back, and connections are made again. The next leader has nothing of that term, and is lost before it opens.
func followedUnread(t *testing.T, w *World) bool {
	t.Helper()
	w.wishes = content
	leader := w.leader()
	others := slices.DeleteFunc(slices.Clone(w.nodes), func(nd *node) bool { return nd == leader })
	unread, next, lacking := others[0], others[1], others[2:]
	for _, nd := range others {
		nd.apiCut = true
	}
	for _, nd := range lacking {
		w.cut[[2]*node{leader, nd}], w.cut[[2]*node{nd, leader}] = true, true
	}
	lack := func() bool {
		last := w.shown[len(w.shown)-1].position
		return !slices.ContainsFunc(lacking, func(nd *node) bool { return nd.end() > last })
	}
	if !happens(w, lack) {
		return false
	}
	w.cut[[2]*node{leader, next}], w.cut[[2]*node{next, leader}] = true, true
	leader.leave = true
	if !happens(w, func() bool { return unread.data.LastTimeline() > unread.lease.Timeline }) {
		return false
	}
	w.crash(leader)
	leader.gone = true
	for _, nd := range others {
		nd.apiCut = nd == unread
	}
	if !happens(w, func() bool { return w.leader() == next }) {
		return false
	}
	w.LoseForGood(next)
	unread.apiCut = false
	happens(w, func() bool { return false })
	if leader.gone = false; w.violation == "" {
		w.Heal()
		writes(w, "the former leader is back")
	}
	return true
}
