package election

import (
	"fmt"
	"testing"
)

// subsets of three incarnations that hold the leader's, with every number that they allow, in both modes.
func quorums() []Quorum {
	var all []Quorum
	for bits := range 4 {
		members := map[string]string{"a1": "shop-1"}
		if bits&1 != 0 {
			members["b1"] = "shop-2"
		}
		if bits&2 != 0 {
			members["c1"] = "shop-3"
		}
		for required := 1; required <= len(members); required++ {
			all = append(all, Quorum{Mode: ModeQuorum, Members: members, Required: required})
		}
		all = append(all, Quorum{Mode: ModeAsynchronous, Members: members, Required: 1})
	}
	return all
}

// acknowledges tells whether PostgreSQL, told q, lets a commit pass that these have flushed, the leader a1 among them.
func (q Quorum) acknowledges(flushed map[string]bool) bool {
	if q.Mode != ModeQuorum {
		return true
	}
	count := 0
	for incarnation := range q.Members {
		if flushed[incarnation] {
			count++
		}
	}
	return count >= q.Required
}

func TestWhatImpliesAQuorumLetsNoCommitPassThatTheQuorumWouldNot(t *testing.T) {
	for _, told := range quorums() {
		for _, published := range quorums() {
			sound := true
			for bits := range 4 {
				flushed := map[string]bool{"a1": true, "b1": bits&1 != 0, "c1": bits&2 != 0}
				if told.acknowledges(flushed) && !published.acknowledges(flushed) {
					sound = false
				}
			}
			if got := told.Implies(published); got && !sound {
				t.Errorf("%v is said to imply %v, and lets a commit pass that it would not", told, published)
			}
		}
	}
}

// Every way from one quorum to another: what is told implies what is published, before, within and after each change.
func TestChangesLeadFromAnyQuorumToAnyOtherAndNeverPublishMoreThanIsTold(t *testing.T) {
	for _, from := range quorums() {
		for _, wanted := range quorums() {
			published, told := from, from
			for steps := 0; ; steps++ {
				change, ok := NextChange(published, wanted)
				if !ok {
					break
				}
				if steps > 8 {
					t.Fatalf("from %v to %v: still at %v", from, wanted, published)
				}
				if changes(published, change.Quorum) != 1 {
					t.Errorf("from %v to %v: more than one change at a time: %v to %v", from, wanted, published, change.Quorum)
				}
				if change.TellFirst {
					told = change.Quorum
				}
				// The update is sent, and its fate is unknown: both pairs must hold.
				if !told.Implies(published) || !told.Implies(change.Quorum) {
					t.Errorf("from %v to %v: told %v, published %v or %v", from, wanted, told, published, change.Quorum)
				}
				published, told = change.Quorum, change.Quorum
			}
			if !published.Equal(wanted) {
				t.Errorf("from %v to %v: it ends at %v", from, wanted, published)
			}
		}
	}
}

// changes between two quorums: members that come, members that go, number, mode.
func changes(a, b Quorum) int {
	count := len(missing(a, b)) + len(missing(b, a))
	if a.Required != b.Required {
		count++
	}
	if a.Mode != b.Mode {
		count++
	}
	return count
}

func TestALostMemberLeavesOnlyWhereEnoughRemain(t *testing.T) {
	two := Quorum{Mode: ModeQuorum, Members: map[string]string{"a1": "shop-1", "b1": "shop-2"}, Required: 2}
	alone := Quorum{Mode: ModeQuorum, Members: map[string]string{"a1": "shop-1"}, Required: 2}
	if change, ok := NextChange(two, alone); ok {
		t.Errorf("with two required and one left, %v is made of %v", change.Quorum, two)
	}
	alone.Required = 1
	change, ok := NextChange(two, alone)
	if !ok || change.TellFirst || change.Quorum.Required != 1 || len(change.Quorum.Members) != 2 {
		t.Errorf("the number falls first, published before it is told: %v", change)
	}
}

func TestALeaderCanBeReplacedWhereEnoughOthersAreThereToVote(t *testing.T) {
	of := func(members, required int, mode Mode) Quorum {
		q := Quorum{Mode: mode, Required: required, Members: map[string]string{}}
		for i := range members {
			q.Members[fmt.Sprint(i)] = fmt.Sprint("shop-", i)
		}
		return q
	}
	for _, tc := range []struct {
		quorum Quorum
		needed int
	}{
		{of(2, 2, ModeQuorum), 1}, {of(3, 2, ModeQuorum), 2}, {of(3, 3, ModeQuorum), 1}, {of(5, 2, ModeQuorum), 4}, {of(5, 3, ModeQuorum), 3},
		{of(3, 1, ModeQuorum), 3}, // which there are not, without the leader: it alone may have a commit
		{of(3, 1, ModeAsynchronous), 1}, {of(1, 1, ModeQuorum), 1},
	} {
		for others := range 6 {
			if got := tc.quorum.Replaceable(others); got != (others >= tc.needed) {
				t.Errorf("%d of %d required, %s: with %d others it is %v", tc.quorum.Required, len(tc.quorum.Members), tc.quorum.Mode, others, got)
			}
		}
	}
}

func ExampleQuorum_votesNeeded() {
	five := Quorum{Mode: ModeQuorum, Members: map[string]string{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}, Required: 3}
	fmt.Println(five.votesNeeded())
	// Output: 3
}
