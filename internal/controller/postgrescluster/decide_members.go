package postgrescluster

import (
	"slices"

	"github.com/timonier-io/timonier/internal/naming"
)

// membershipFacts are what decideMembers decides from, as ordinals of instances.
type membershipFacts struct {
	// wanted is spec.instances.
	wanted int
	// volumes exist for these, whether in use or retained.
	volumes []int
	// present have a pod, or are published members.
	present []int
	// leader's ordinal, 0 where nobody holds the Lease.
	leader int
	// recovering: there may be data and nobody holds the Lease, so all volumes must be heard.
	recovering bool
}

// membership says which instances are to exist.
type membership struct {
	// run are to have volumes and a pod now.
	run []int
	// remove have a pod or are members, and are to go, in this order.
	remove []int
	// hearing: more instances run than asked for, until it is known who leads.
	hearing bool
}

// decideMembers chooses instances: those that are there stay, the leader before all others; new ones take the lowest
// numbers that are free; the highest go first. Without a leader nobody goes, and whoever has a volume is started:
// all volumes must be heard before one may lead.
func decideMembers(f membershipFacts) membership {
	present := sortedSet(f.present)
	if f.wanted == 0 {
		// Standbys first, so that they receive the last of what the primary has written.
		return membership{remove: leaderLast(present, f.leader)}
	}
	if f.recovering {
		run := sortedSet(append(slices.Clone(f.volumes), present...))
		return membership{run: run, hearing: len(run) > f.wanted}
	}
	keep := leaderFirst(present, f.leader)
	remove := []int{}
	for len(keep) > f.wanted {
		remove = append(remove, keep[len(keep)-1])
		keep = keep[:len(keep)-1]
	}
	for ordinal := 1; len(keep) < f.wanted; ordinal++ {
		if !slices.Contains(keep, ordinal) {
			keep = append(keep, ordinal)
		}
	}
	return membership{run: sortedSet(keep), remove: remove}
}

// leaderFirst sorts by number, but puts the leader first; where there is a leader it is always kept.
func leaderFirst(present []int, leader int) []int {
	ordered := sortedSet(present)
	if leader == 0 {
		return ordered
	}
	ordered = slices.DeleteFunc(ordered, func(n int) bool { return n == leader })
	return append([]int{leader}, ordered...)
}

func leaderLast(present []int, leader int) []int {
	ordered := slices.DeleteFunc(sortedSet(present), func(n int) bool { return n == leader })
	slices.Reverse(ordered)
	if slices.Contains(present, leader) {
		ordered = append(ordered, leader)
	}
	return ordered
}

func sortedSet(numbers []int) []int {
	sorted := slices.Clone(numbers)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// membershipFacts of what was observed.
func (s *scope) membershipFacts() membershipFacts {
	facts := membershipFacts{wanted: s.instancesWanted()}
	for _, claim := range s.observed.claims {
		facts.volumes = append(facts.volumes, s.ordinals([]string{claim.Labels[naming.LabelInstance]})...)
	}
	for name := range s.observed.pods {
		facts.present = append(facts.present, s.ordinals([]string{name})...)
	}
	facts.present = append(facts.present, s.ordinals(s.observed.record.MemberNames())...)
	if n, ok := naming.Ordinal(s.cluster.Name, s.observed.record.Holder); ok {
		facts.leader = n
	}
	_, marked := s.observed.record.Bootstraps()
	facts.recovering = facts.leader == 0 && !marked && len(facts.volumes) > 0
	return facts
}

// names of the instances that are to run.
func (s *scope) names(ordinals []int) []string {
	names := make([]string, len(ordinals))
	for i, n := range ordinals {
		names[i] = naming.Instance(s.cluster.Name, n)
	}
	return names
}
