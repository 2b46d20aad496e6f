package election

import (
	"maps"
	"slices"
)

// Implies tells whether every commit that PostgreSQL acknowledges under q is one that published promises: flushed on at least
// Required of its members, the leader counted. What PostgreSQL was told must always imply what is published, and what may be
// published already by an update whose fate is unknown.
func (q Quorum) Implies(published Quorum) bool {
	if published.alone() {
		return true
	}
	if q.alone() || q.Required < published.Required {
		return false
	}
	for incarnation := range q.Members {
		if _, member := published.Members[incarnation]; !member {
			return false
		}
	}
	return true
}

// alone tells that a commit waits for nobody but the leader itself: PostgreSQL's setting is empty then.
func (q Quorum) alone() bool { return q.Mode != ModeQuorum || q.Required <= 1 }

// Equal members, mode and number; one that waits for nobody is not the same as another one, since it is published.
func (q Quorum) Equal(other Quorum) bool {
	return q.Mode == other.Mode && q.Required == other.Required && maps.Equal(q.Members, other.Members)
}

// Copy can be changed without changing q.
func (q Quorum) Copy() Quorum {
	q.Members = maps.Clone(q.Members)
	return q
}

// Names of the members' instances, sorted.
func (q Quorum) Names() []string { return slices.Sorted(maps.Values(q.Members)) }

// Replaceable tells whether so many members, the leader not among them, are enough to elect another leader. Where commits wait for nobody one is.
func (q Quorum) Replaceable(others int) bool {
	return others > 0 && (q.Mode != ModeQuorum || others >= q.votesNeeded())
}

// votesNeeded to replace the leader of this quorum: one more than may be missing without missing a commit's every copy.
func (q Quorum) votesNeeded() int { return len(q.Members) - q.Required + 1 }

// Change is one step from what is published towards what is wanted.
type Change struct {
	Quorum Quorum
	// TellFirst: PostgreSQL is told, and enough members have flushed what was written until then, before it is published.
	// Otherwise it is published first.
	TellFirst bool
}

// NextChange is the next of the changes that lead from published to wanted; ok is false where nothing is to be changed. It is one
// at a time, and computed from what is published, never from what PostgreSQL was told: a change from one member to
// another is an addition and a removal. Both hold the leader's incarnation.
func NextChange(published, wanted Quorum) (change Change, ok bool) {
	next := published.Copy()
	added := missing(wanted, published)
	gone := missing(published, wanted)
	remaining := len(published.Members) - len(gone)
	if wanted.Mode != ModeQuorum {
		wanted.Required = 1
	}
	switch {
	case published.Required > 1 && wanted.Required < published.Required:
		next.Required = wanted.Required
		return Change{Quorum: next}, true
	case published.Mode != wanted.Mode:
		// Only ever where nobody is waited for: it says who may take the Lease, and changes no commit.
		next.Mode, next.Required = wanted.Mode, 1
		return Change{Quorum: next}, true
	case wanted.Required > published.Required && remaining >= wanted.Required:
		// As soon as enough are there that stay.
		next.Required = wanted.Required
		return Change{Quorum: next, TellFirst: true}, true
	case len(added) > 0:
		next.Members[added[0]] = wanted.Members[added[0]]
		return Change{Quorum: next}, true
	case len(gone) > 0 && remaining >= published.Required:
		delete(next.Members, gone[0])
		return Change{Quorum: next, TellFirst: true}, true
	}
	return Change{}, false
}

// missing are the incarnations of a that b has not, sorted.
func missing(a, b Quorum) []string {
	var incarnations []string
	for incarnation := range a.Members {
		if _, has := b.Members[incarnation]; !has {
			incarnations = append(incarnations, incarnation)
		}
	}
	slices.Sort(incarnations)
	return incarnations
}
