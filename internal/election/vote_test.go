package election

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/postgres"
)

func votingRecord(members, required int) Record {
	record := Record{Holder: "shop-1", Revision: 9, Term: 2, Quorum: Quorum{Mode: ModeQuorum, Members: map[string]string{}, Required: required}}
	for n := range members {
		record.Quorum.Members[fmt.Sprintf("i%d", n+1)] = fmt.Sprintf("shop-%d", n+1)
	}
	return record
}

func voteOf(n int, position Position) Vote {
	return Vote{Instance: fmt.Sprintf("shop-%d", n+1), Incarnation: fmt.Sprintf("i%d", n+1), Revision: 9, Position: position}
}

// Every way in which up to four members can be at one of four positions, every set of voters and every candidate: whoever may
// take the Lease has whatever is on as many members as an acknowledgement needs.
func TestWhoeverMayTakeTheLeaseHasEveryCommitThatWasAcknowledged(t *testing.T) {
	positions := []Position{{1, 10}, {1, 30}, {2, 20}, {2, 30}}
	for members := 1; members <= 4; members++ {
		for required := 1; required <= members; required++ {
			record := votingRecord(members, required)
			taken := 0
			for code := range pow(len(positions), members) {
				at := make([]Position, members)
				for n := range at {
					at[n], code = positions[code%len(positions)], code/len(positions)
				}
				for voters := range 1 << members {
					taken += tryEveryCandidate(t, record, at, voters)
				}
			}
			if taken == 0 {
				t.Errorf("with %d members and %d required nobody may ever take the Lease", members, required)
			}
		}
	}
}

func tryEveryCandidate(t *testing.T, record Record, at []Position, voters int) (taken int) {
	t.Helper()
	var votes []Vote
	for n := range at {
		if voters&(1<<n) != 0 {
			votes = append(votes, voteOf(n, at[n]))
		}
	}
	// What is on Required members reaches up to here: the Required-th of the positions, the greatest first.
	sorted := slices.SortedFunc(slices.Values(at), func(a, b Position) int { return b.Compare(a) })
	acknowledged := sorted[record.Quorum.Required-1]
	for _, candidate := range votes {
		if MayTake(record, candidate, votes) != "" {
			continue
		}
		taken++
		if candidate.Position.Compare(acknowledged) < 0 {
			t.Fatalf("members at %v, of which %d hold what is acknowledged; %s may take the Lease at %s with the votes %v",
				at, record.Quorum.Required, candidate.Instance, candidate.Position, votes)
		}
	}
	return taken
}

func pow(base, exponent int) int {
	result := 1
	for range exponent {
		result *= base
	}
	return result
}

func TestVotesAreEnoughWhoeverIsAheadAndOnlyThoseOfMembersForThisRevision(t *testing.T) {
	record := votingRecord(3, 2)
	behind, ahead, former, foreign := voteOf(0, Position{2, 10}), voteOf(1, Position{2, 20}), voteOf(2, Position{2, 20}), voteOf(2, Position{2, 20})
	former.Revision, foreign.Incarnation = 8, "new"
	for name, c := range map[string]struct {
		votes  []Vote
		enough bool
	}{
		"none": {nil, false}, "one": {[]Vote{behind}, false}, "two of three": {[]Vote{behind, ahead}, true}, "one twice": {[]Vote{ahead, ahead}, false},
		"one for a former revision": {[]Vote{ahead, former}, false}, "one of a copy that is no member": {[]Vote{ahead, foreign}, false},
	} {
		if enough := EnoughVote(record, c.votes); enough != c.enough {
			t.Errorf("%s: enough %t", name, enough)
		}
	}
}

func TestWhatKeepsAMemberFromTakingTheLeaseIsNamed(t *testing.T) {
	record := votingRecord(3, 2)
	at := func(n int, term int64, position postgres.LSN) Vote { return voteOf(n, Position{term, position}) }
	changed := func(vote Vote, change func(*Vote)) Vote { change(&vote); return vote }
	for name, tc := range map[string]struct {
		candidate Vote
		votes     []Vote
		condition string
	}{
		"two of three":                   {at(1, 2, 20), []Vote{at(2, 2, 20)}, ""},
		"alone":                          {at(1, 2, 20), nil, "enough_members_vote"},
		"its own vote, heard from afar":  {at(1, 2, 20), []Vote{at(1, 2, 20)}, "enough_members_vote"},
		"another is ahead":               {at(1, 2, 20), []Vote{at(2, 2, 21)}, "nobody_is_ahead"},
		"another wrote less, but later":  {at(1, 1, 90), []Vote{at(2, 2, 20)}, "nobody_is_ahead"},
		"a vote for another revision":    {at(1, 2, 20), []Vote{changed(at(2, 2, 20), func(v *Vote) { v.Revision = 8 })}, "enough_members_vote"},
		"a copy that is no member votes": {at(1, 2, 20), []Vote{changed(at(2, 2, 20), func(v *Vote) { v.Incarnation = "new" })}, "enough_members_vote"},
		"a copy that is no member stands": {changed(at(1, 2, 20), func(v *Vote) { v.Incarnation = "new" }),
			[]Vote{at(0, 2, 20), at(2, 2, 20)}, "candidate_is_a_member"},
		"a candidate of a former revision": {changed(at(1, 2, 20), func(v *Vote) { v.Revision = 8 }),
			[]Vote{at(0, 2, 20), at(2, 2, 20)}, "candidate_is_a_member"},
	} {
		got := MayTake(record, tc.candidate, tc.votes)
		if name0, _, _ := strings.Cut(got, ":"); name0 != tc.condition {
			t.Errorf("%s: %q, want %q", name, got, tc.condition)
		}
	}
}
