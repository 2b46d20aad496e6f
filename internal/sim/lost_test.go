//go:build sim

package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/election"
)

// losing the Lease now and then, which no other world does: what replaces it hangs on what volumes tell.
func losing(rules Rules) Rules {
	rules.LosesLease = true
	return rules
}

func TestALeaseThatIsLostLosesNothingElse(t *testing.T) {
	if *replay >= 0 {
		w := try(uint64(*replay), losing(protocol()))
		fmt.Println(strings.Join(w.story, "\n"))
		fmt.Println(w.state())
		if w.violation != "" {
			t.Error(w.violation)
		}
		return
	}
	all := tryAll(*seeds/4, losing(protocol()))
	slices.Sort(all.violations)
	for _, violation := range all.violations {
		t.Error(violation)
	}
	t.Logf("%d seeds: %d openings, %d records shown, %d violations", *seeds/4, all.leaders, all.shown, len(all.violations))
	for _, rule := range []string{"leader_writes_its_record_again", "most_advanced_leads"} {
		t.Logf("%d terms began by %s", all.taken[rule], rule)
		if all.taken[rule] == 0 {
			t.Error("that never happens, so that this says nothing about it")
		}
	}
}

// writtenByOneThatWasReplaced: a leader is frozen while another one is elected. That one is frozen in turn, and the Lease lost, before the former comes back
// and hears nobody.
func writtenByOneThatWasReplaced(t *testing.T, w *World) bool {
	t.Helper()
	w.wishes = content
	former := w.leader()
	former.frozenUntil = never
	if !happens(w, func() bool {
		return w.leader() != former && w.leader() != nil && w.leader().server != nil && w.leader().server.Open
	}) {
		return false
	}
	if acknowledged := w.writesOn(); !happens(w, acknowledged) {
		return false
	}
	leader := w.leader()
	leader.frozenUntil = never
	for _, nd := range w.nodes {
		nd.apiCut = nd != former
		w.cut[[2]*node{former, nd}], w.cut[[2]*node{nd, former}] = nd != former, nd != former
	}
	w.api.Lose(election.Record{})
	former.frozenUntil = 0
	happens(w, func() bool { return !w.api.Lost() })
	clear(w.cut)
	for _, nd := range w.nodes {
		nd.apiCut, nd.frozenUntil = false, 0
	}
	if w.leader() == former {
		w.stop(former) // it begins to lead anew, by what it wrote
	}
	happens(w, func() bool { return false })
	return true
}

// reportedBeforeARestart: a leader that needs nobody is stopped in order, and so its position is known. It starts again without having read that the Lease is
// lost, while the other one leads by what it reported.
func reportedBeforeARestart(t *testing.T, w *World) bool {
	t.Helper()
	other, leader := w.nodes[0], w.nodes[1] // of two that are equal the first one leads
	if w.leader() == other {
		other.handOver = leader.name
	}
	if !happens(w, func() bool { return w.leader() == leader && w.Settled() }) {
		return false
	}
	w.asked.SynchronousStandbys = 0
	if !happens(w, func() bool {
		record, _, _ := w.api.Read()
		return record.Quorum.Required == 1 && leader.told.Required == 1 && leader.effective && other.end() == leader.end()
	}) {
		return false
	}
	leader.apiCut = true
	w.api.Lose(election.Record{})
	happens(w, func() bool {
		if leader.server != nil && !leader.server.Recovery && other.end() == leader.end() {
			leader.server.Stop()
			w.stop(leader)
			leader.data.ShutDown = true
		}
		return w.leader() == other
	})
	happens(w, func() bool { return leader.server != nil && leader.server.Open })
	acknowledged := w.writesOn()
	happens(w, acknowledged)
	leader.apiCut = false
	happens(w, func() bool { return false })
	return true
}

// never comes.
const never = 1 << 40
