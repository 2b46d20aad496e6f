package election

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/timonier-io/timonier/internal/postgres"
)

// Position that the recovery of a copy really reaches: the term that wrote its last record, and where that ends. A number of a
// timeline says nothing: history files may be there without the WAL. Nor does the location alone: an old leader may have
// written far, for nobody.
type Position struct {
	Term int64
	At   postgres.LSN
}

// Compare by term, then location: negative where p is behind the other.
func (p Position) Compare(other Position) int {
	return cmp.Or(cmp.Compare(p.Term, other.Term), cmp.Compare(p.At, other.At))
}

func (p Position) String() string { return fmt.Sprintf("%s of term %d", p.At, p.Term) }

// Vote of a member that has detached itself from the leader and has promised, on disk, to stay so until it reads a newer
// revision than the one it voted for.
type Vote struct {
	Instance, Incarnation string
	// Revision of the Lease that may be replaced with this vote, and no other.
	Revision int64
	Position Position
}

// condition of taking the Lease from its leader: why it is not met, "" where it is.
type condition struct {
	name  string
	unmet func(record Record, candidate Vote, votes []Vote) string
}

// takeover is what must hold for a member to take the Lease, with its own vote among the votes. Each commit that was acknowledged
// is on Required of the members, so that one at least of |M| − Required + 1 voters has it; the candidate has what each of
// them has. What the old leader still tries to commit needs Required members, of which too few have not voted. No
// clock is involved.
func takeover() []condition {
	return []condition{
		{"candidate_is_a_member", candidateIsAMember},
		{"enough_members_vote", enoughMembersVote},
		{"nobody_is_ahead", nobodyIsAhead},
	}
}

// MayTake tells why a candidate may not take the Lease that holds this record, naming the condition; "" where it may.
func MayTake(record Record, candidate Vote, votes []Vote) (why string) {
	counted := valid(record, append([]Vote{candidate}, votes...))
	for _, condition := range takeover() {
		if unmet := condition.unmet(record, candidate, counted); unmet != "" {
			return condition.name + ": " + unmet
		}
	}
	return ""
}

// EnoughVote tells that as many members vote for this record's replacement as an election needs: the one that is ahead of the others may take the Lease.
func EnoughVote(record Record, votes []Vote) bool {
	return enoughMembersVote(record, Vote{}, valid(record, votes)) == ""
}

// valid are the votes of members for this very revision, one for each incarnation.
func valid(record Record, votes []Vote) []Vote {
	var counted []Vote
	seen := map[string]bool{}
	for _, vote := range votes {
		_, member := record.Quorum.Members[vote.Incarnation]
		if member && vote.Revision == record.Revision && !seen[vote.Incarnation] {
			seen[vote.Incarnation] = true
			counted = append(counted, vote)
		}
	}
	return counted
}

func candidateIsAMember(record Record, candidate Vote, _ []Vote) string {
	if instance, member := record.Quorum.Members[candidate.Incarnation]; !member || instance != candidate.Instance {
		return candidate.Instance + " is none of those who may have what was acknowledged"
	}
	if candidate.Revision != record.Revision {
		return fmt.Sprintf("its own vote is for revision %d, and the Lease is at %d", candidate.Revision, record.Revision)
	}
	return ""
}

func enoughMembersVote(record Record, _ Vote, votes []Vote) string {
	if needed := record.Quorum.votesNeeded(); len(votes) < needed {
		return fmt.Sprintf("%d of %d votes are there, and none of %s", len(votes), needed, strings.Join(silent(record, votes), ", "))
	}
	return ""
}

// silent are the members that have not voted, by name.
func silent(record Record, votes []Vote) (names []string) {
	for incarnation, name := range record.Quorum.Members {
		if !slices.ContainsFunc(votes, func(v Vote) bool { return v.Incarnation == incarnation }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func nobodyIsAhead(_ Record, candidate Vote, votes []Vote) string {
	for _, vote := range votes {
		if vote.Position.Compare(candidate.Position) > 0 {
			return fmt.Sprintf("%s is at %s, ahead of %s", vote.Instance, vote.Position, candidate.Position)
		}
	}
	return ""
}
