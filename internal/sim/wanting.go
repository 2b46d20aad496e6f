package sim

import "github.com/timonier-io/timonier/internal/election"

// wishes of the leaders of a world. Safety must not hang on what is wanted.
type wishes int

const (
	// sensible: what the rules say that a leader should want.
	sensible wishes = iota
	// arbitrary: anything that is possible.
	arbitrary
	// content: what is. Revisions last for long, and so do votes.
	content
)

// wanted by a leader.
func (w *World) wanted(nd *node) election.Quorum {
	switch w.wishes {
	case content:
		return nd.lease.Quorum
	case arbitrary:
		return w.anything(nd)
	default:
		return election.Wanted(nd.lease.Quorum, nd.name, nd.incarnation, w.asked, w.followers(nd))
	}
}

func (w *World) anything(nd *node) election.Quorum {
	if nd.wanted.Required > 0 && !w.chance(3) {
		return nd.wanted
	}
	wanted := election.Quorum{Mode: election.ModeQuorum, Members: map[string]string{nd.incarnation: nd.name}, Required: 1}
	for _, sender := range nd.server.senders {
		for _, other := range w.nodes {
			if other.incarnation == sender.Slot && w.chance(80) {
				wanted.Members[other.incarnation] = other.name
			}
		}
	}
	wanted.Required = min(len(w.nodes)/2+1, len(wanted.Members))
	if w.chance(30) {
		wanted.Required = 1 + w.rng.IntN(len(wanted.Members))
	}
	if w.modes && w.chance(30) {
		wanted.Mode, wanted.Required = election.ModeAsynchronous, 1
	}
	nd.wanted = wanted
	return wanted
}

// followers of a leader, by its walsenders: it does not see which connection is dead before a while has gone by.
func (w *World) followers(nd *node) map[string]election.Follower {
	followers := map[string]election.Follower{}
	for _, sender := range nd.server.senders {
		for _, other := range w.nodes {
			if other.incarnation != sender.Slot || other.data == nil {
				continue
			}
			reachable := w.carries(other, nd) && w.carries(nd, other) && other.server != nil && other.server.Consistent() && !other.stalled
			joinable := reachable && sender.Flushed+3 >= len(nd.data.WAL)
			followers[other.incarnation] = election.Follower{Instance: other.name, Reachable: reachable, Joinable: joinable}
		}
	}
	return followers
}
