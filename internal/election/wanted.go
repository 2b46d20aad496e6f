package election

import (
	"maps"
	"slices"
)

// Availability that the configuration asks for.
type Availability struct {
	Mode Mode
	// SynchronousStandbys have flushed a commit beside the leader before it is acknowledged.
	SynchronousStandbys int
	// Preferred durability goes on with fewer of them, instead of blocking writes.
	Preferred bool
	// Instances of the configuration; a member of another one was scaled away.
	Instances []string
}

// Follower is a copy that streams from the leader, or did.
type Follower struct {
	Instance string
	// Reachable: it is consistent and its flush follows within the time of failure detection. It counts as lost otherwise.
	Reachable bool
	// Joinable: it is reachable, and less than a second behind, so that commits may be made to wait for it.
	Joinable bool
}

// Wanted is the quorum that a leader wants, from the followers that it sees, by incarnation. NextChange leads there. Lost
// members go, so that the next failure can still be survived, as long as enough are left; then writes wait for them, or go on with fewer.
func Wanted(published Quorum, self, incarnation string, asked Availability, followers map[string]Follower) Quorum {
	live := map[string]string{incarnation: self}
	for id, follower := range followers {
		_, member := published.Members[id]
		known := follower.Instance != self && slices.Contains(asked.Instances, follower.Instance)
		if known && (follower.Joinable || member && follower.Reachable) {
			live[id] = follower.Instance
		}
	}
	wanted := Quorum{Mode: asked.Mode, Members: live, Required: 1}
	if asked.Mode != ModeQuorum {
		return wanted
	}
	target := max(1, min(asked.SynchronousStandbys+1, len(asked.Instances)))
	wanted.Required = min(target, len(live))
	if asked.Preferred {
		return wanted
	}
	// What was promised is kept: it falls when less is asked for, and not because members are lost.
	if published.Mode == ModeQuorum {
		wanted.Required = max(wanted.Required, min(target, published.Required))
	}
	if len(live) < wanted.Required {
		keepLost(wanted, published, asked.Instances)
	}
	return wanted
}

// keepLost members where too few are left to do without them: those whose place nobody has taken, and then any other, since what is
// published needs as many.
func keepLost(wanted, published Quorum, instances []string) {
	replaced := slices.Collect(maps.Values(wanted.Members))
	var others []string
	for _, id := range missing(published, wanted) {
		name := published.Members[id]
		if slices.Contains(instances, name) && !slices.Contains(replaced, name) {
			wanted.Members[id] = name
			continue
		}
		others = append(others, id)
	}
	for _, id := range others {
		if len(wanted.Members) < wanted.Required {
			wanted.Members[id] = published.Members[id]
		}
	}
}
