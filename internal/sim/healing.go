package sim

import (
	"fmt"
	"maps"
	"slices"

	"github.com/timonier-io/timonier/internal/election"
)

// Heal ends all faults: what is down comes up, and nothing new happens to anybody. Volumes that are missed are brought back.
func (w *World) Heal() {
	w.healed, w.apiDown, w.wishes = true, false, sensible
	clear(w.cut)
	w.api.Forget()
	w.asked = defaults(len(w.nodes))
	record, _, _ := w.api.Read()
	for _, nd := range w.nodes {
		w.asked.Instances = append(w.asked.Instances, nd.name)
		nd.up, nd.stalled, nd.apiCut, nd.frozenUntil, nd.leave, nd.handOver, nd.irreparable = !nd.gone, false, false, 0, false, "", false
		for at, aside := range nd.aside {
			_, missed := record.Quorum.Members[aside.incarnation]
			if _, member := record.Quorum.Members[nd.incarnation]; missed && (!member || aside.incarnation == record.HolderIncarnation) {
				w.crash(nd)
				nd.up = true
				nd.aside = append(nd.aside, nd.volume)
				nd.bringBack(at)
				break
			}
		}
	}
}

// Electable tells whether somebody can lead without losing anything: the last leader's copy is there, or enough members can vote.
func (w *World) Electable() bool {
	record, _, _ := w.api.Read()
	voters := 0
	for _, nd := range w.nodes {
		_, member := record.Quorum.Members[nd.incarnation]
		whole := !nd.gone && nd.data != nil && !nd.broken && nd.end() >= nd.data.ConsistentAt
		if whole && nd.incarnation == record.HolderIncarnation {
			return true
		}
		if whole && member {
			voters++
		}
	}
	return voters >= len(record.Quorum.Members)-record.Quorum.Required+1
}

// tooFewAreWhole tells whether interrupted rewinds leave fewer members than a commit has to be on.
func (w *World) tooFewAreWhole() bool {
	record, _, _ := w.api.Read()
	whole, broken := 0, 0
	for _, nd := range w.nodes {
		switch _, member := record.Quorum.Members[nd.incarnation]; {
		case !member:
		case nd.broken:
			broken++
		case !nd.gone && nd.data != nil:
			whole++
		}
	}
	return broken > 0 && whole < record.Quorum.Required
}

// Force the most advanced copy to lead; false where there is none.
func (w *World) Force() bool {
	var best *node
	for _, nd := range w.nodes {
		whole := !nd.gone && nd.data != nil && !nd.broken && nd.end() >= nd.data.ConsistentAt
		if whole && (best == nil || nd.position().Compare(best.position()) > 0) {
			best = nd
		}
	}
	if best != nil {
		best.force = true
		w.tell("%s: forced", best.name)
	}
	return best != nil
}

// Settled tells that all instances are members that could vote, and that a majority is waited for.
func (w *World) Settled() bool {
	record, _, _ := w.api.Read()
	present := map[string]bool{}
	for _, nd := range w.nodes {
		present[nd.incarnation] = !nd.gone && nd.server != nil && nd.server.Consistent()
	}
	members := slices.Collect(maps.Keys(record.Quorum.Members))
	strangers := slices.ContainsFunc(members, func(incarnation string) bool { return !present[incarnation] })
	return !w.api.Lost() && record.Holder != "" && !strangers && len(members) == len(w.nodes) && record.Quorum.Mode == election.ModeQuorum &&
		record.Quorum.Required == len(w.nodes)/2+1
}

// LoseForGood one of the instances, with its disk.
func (w *World) LoseForGood(nd *node) {
	w.tell("%s: gone for good", nd.name)
	w.crash(nd)
	nd.gone, nd.aside = true, nil
	nd.volume = empty()
}

// state of everybody, for people.
func (w *World) state() string {
	record, _, _ := w.api.Read()
	text := fmt.Sprintf("the Lease: %+v\n", record)
	for _, nd := range w.nodes {
		text += fmt.Sprintf("%s (%s): up %t, told %v in term %d, promised %d, read %d, follows %q since term %d, suspects %t",
			nd.name, nd.incarnation, nd.up, nd.told, nd.toldTerm, nd.promise, nd.lease.Revision, nd.follows, nd.followsTerm, nd.suspect)
		if nd.data != nil {
			text += fmt.Sprintf(", at %d of timeline %d, pg_control on %d, consistent at %d", nd.end(), nd.data.LastTimeline(), nd.data.Timeline, nd.data.ConsistentAt)
		}
		for i := range min(30, nd.end()) {
			text += fmt.Sprintf(" %d/%d", nd.data.WAL[i].Timeline, nd.data.WAL[i].Value)
		}
		if nd.server != nil {
			text += fmt.Sprintf(", runs, in recovery %t, open %t, opens at %d", nd.server.Recovery, nd.server.Open, nd.opensAt)
			for _, sender := range nd.server.senders {
				text += fmt.Sprintf(", %s at %d", sender.Name, sender.Flushed)
			}
		}
		text += "\n"
	}
	return text
}
