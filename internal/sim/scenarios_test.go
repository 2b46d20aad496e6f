package sim

import (
	"testing"

	"github.com/timonier-io/timonier/internal/election"
)

// quiet world, in which nothing happens by chance but who moves next.
func quiet(t *testing.T, instances int) *World {
	t.Helper()
	return quietBy(t, 1, instances, protocol())
}

func quietBy(t *testing.T, seed uint64, instances int, rules Rules) *World {
	t.Helper()
	w := NewWorld(seed, instances, rules)
	w.Heal()
	until(t, w, "all are members, and writes pass", func() bool { return w.Settled() && len(w.shown) > 0 })
	return w
}

func until(t *testing.T, w *World, what string, reached func() bool) {
	t.Helper()
	for range healSteps {
		if w.Step(); w.violation != "" {
			t.Fatal(w.violation)
		}
		if reached() {
			return
		}
	}
	t.Fatalf("never: %s\n%s", what, w.state())
}

// writesOn passes once something more was shown than at the moment of the call.
func (w *World) writesOn() func() bool {
	before := len(w.shown)
	return func() bool { return len(w.shown) > before }
}

func TestAHandoverNeedsNoVoteAndNoRewind(t *testing.T) {
	w := quiet(t, 3)
	former := w.leader()
	former.handOver = "i3"
	until(t, w, "i3 leads", func() bool { return w.leader() != nil && w.leader().name == "i3" && w.leader().server.Open })
	until(t, w, "writes pass", w.writesOn())
	until(t, w, "all are members again", w.Settled)
	if w.taken["named_member_takes_what_it_holds"] != 1 || w.taken["voter_stays_detached"] != 0 {
		t.Errorf("taken by %v", w.taken)
	}
	if former.data.ConsistentAt != 0 {
		t.Error("the former leader was rewound")
	}
}

func TestALeaderRestartsInPlaceWhileTheAPIIsDown(t *testing.T) {
	w := quiet(t, 3)
	w.apiDown = true
	leader := w.leader()
	w.stop(leader)
	until(t, w, "it is open again", func() bool { return leader.server != nil && leader.server.Open })
	until(t, w, "writes pass", w.writesOn())
}

func TestNobodyIsElectedWhileTheAPIIsDown(t *testing.T) {
	w := quiet(t, 3)
	w.apiDown = true
	w.LoseForGood(w.leader())
	for range steps {
		w.Step()
	}
	if len(w.taken) > 0 {
		t.Errorf("taken by %v", w.taken)
	}
	w.apiDown = false
	until(t, w, "writes pass once it is back", w.writesOn())
}

func TestTheOtherOneOfTwoTakesOverAndGoesOnAlone(t *testing.T) {
	w := quiet(t, 2)
	w.LoseForGood(w.leader())
	until(t, w, "writes pass", w.writesOn())
	until(t, w, "nobody else is a member", func() bool {
		record, _, _ := w.api.Read()
		return len(record.Quorum.Members) == 1 && record.Quorum.Required == 1
	})
}

// The Lease says that it alone has everything.
func TestTheOtherOneOfTwoLeadsOnlyByForceWhereTheLeaderWasAlone(t *testing.T) {
	w := quiet(t, 2)
	leader := w.leader()
	other := w.nodes[1]
	w.crash(other)
	other.gone = true
	until(t, w, "the leader is the only member", func() bool {
		record, _, _ := w.api.Read()
		return len(record.Quorum.Members) == 1
	})
	until(t, w, "writes pass", w.writesOn())
	w.LoseForGood(leader)
	other.gone = false
	for range steps {
		w.Step()
	}
	if other.server == nil || !other.server.Recovery || w.Electable() {
		t.Fatalf("it leads without what the other one had\n%s", w.state())
	}
	if !w.Force() {
		t.Fatal("there is nobody to force")
	}
	until(t, w, "writes pass", w.writesOn())
	if len(w.accepted) != 1 {
		t.Errorf("%d losses were accepted", len(w.accepted))
	}
}

func TestAnAsynchronousLeaderIsReplacedAfterItsLease(t *testing.T) {
	w := quiet(t, 3)
	w.asked.Mode = election.ModeAsynchronous
	until(t, w, "nobody is waited for", func() bool {
		record, _, _ := w.api.Read()
		return record.Quorum.Mode == election.ModeAsynchronous && len(record.Quorum.Members) == 3
	})
	w.LoseForGood(w.leader())
	lost := w.now
	until(t, w, "writes pass", w.writesOn())
	if w.now < lost+leaseDuration || w.taken["asynchronous_member_takes_what_expired"] == 0 {
		t.Errorf("after %d steps, by %v", w.now-lost, w.taken)
	}
	w.asked.Mode = election.ModeQuorum
	until(t, w, "a majority is waited for again", func() bool {
		record, _, _ := w.api.Read()
		return record.Quorum.Mode == election.ModeQuorum && record.Quorum.Required == 2
	})
}
