package sim

import (
	"maps"
	"slices"

	"github.com/timonier-io/timonier/internal/election"
)

// letter from one instance to another: it comes late, twice, or never.
type letter struct {
	from, to *node
	vote     *election.Vote
	// What the sender's copy holds.
	incarnation string
	holds       election.Position
	// Reply of a walreceiver.
	sender  *Sender
	flushed int
}

// carries a letter from here to there, where the network is not cut in that direction.
func (w *World) carries(from, to *node) bool {
	return w.awake(from) && w.awake(to) && !w.cut[[2]*node{from, to}]
}

// reached is the instance of that name, if it is up and both directions work.
func (w *World) reached(nd *node, name string) *node {
	other := w.named(name)
	if other == nil || other == nd || !w.carries(nd, other) || !w.carries(other, nd) {
		return nil
	}
	return other
}

// post what one has to say to another.
func (w *World) post(nd *node) {
	other := w.nodes[w.rng.IntN(len(w.nodes))]
	if other == nd || !w.awake(nd) || len(w.mail) > 20 {
		return
	}
	said := letter{from: nd, to: other, incarnation: nd.incarnation, holds: nd.position()}
	if vote, voted := w.rules.Vote(w.member(nd)); voted {
		said.vote = &vote
	}
	w.mail = append(w.mail, said)
}

// deliver one of the letters.
func (w *World) deliver() {
	if len(w.mail) == 0 {
		return
	}
	at := w.rng.IntN(len(w.mail))
	said := w.mail[at]
	if w.healed || !w.chance(10) {
		w.mail = slices.Delete(w.mail, at, at+1)
	}
	if !w.carries(said.from, said.to) {
		return
	}
	if said.sender != nil {
		said.sender.reply(said.flushed)
		return
	}
	// An instance speaks for one copy at a time: what the one before it had said is void, be it ahead.
	maps.DeleteFunc(said.to.votes, func(incarnation string, vote election.Vote) bool {
		return vote.Instance == said.from.name && incarnation != said.incarnation
	})
	if said.vote != nil {
		said.to.votes[said.vote.Incarnation] = *said.vote
	}
	said.to.holds[said.incarnation] = said.holds
}

// stream moves WAL to a standby, or its reply back.
func (w *World) stream(nd *node) {
	if nd.server == nil || !w.awake(nd) {
		return
	}
	for left := 1 + w.rng.IntN(4); left > 0 && nd.server.Replay(); {
		if !w.healed { // what is well keeps up, however long its WAL
			left--
		}
	}
	if nd.server.Stopping && w.chance(20) {
		w.stop(nd)
		return
	}
	receiver := nd.server.Receiver
	if receiver == nil || !receiver.Connected() {
		nd.server.Disconnect()
		w.connect(nd)
		return
	}
	leader := w.runs(receiver.sender.server)
	if leader == nil || nd.stalled || !w.carries(leader, nd) {
		return
	}
	for range w.rng.IntN(4) {
		if receiver.Receive() {
			w.lie(nd)
		}
	}
	switch {
	case w.chance(30) || !w.carries(nd, leader):
	case w.chance(20):
		w.mail = append(w.mail, letter{from: nd, to: leader, sender: receiver.sender, flushed: len(nd.data.WAL)})
	default:
		receiver.Reply()
	}
}

// runs is the node of a server.
func (w *World) runs(server *Server) *node {
	for _, nd := range w.nodes {
		if nd.server == server {
			return nd
		}
	}
	return nil
}

// connect to whom the gate leads, if it is there.
func (w *World) connect(nd *node) {
	leader := w.reached(nd, nd.follows)
	if leader == nil || leader.server == nil || leader.server.Stopping {
		return
	}
	if !w.rules.TwoWalsenders {
		// The member's slot keeps a second one from starting; the leader terminates one that is stale.
		for _, sender := range leader.server.Senders() {
			if sender.Slot == nd.incarnation {
				leader.server.Terminate(sender)
			}
		}
	}
	nd.server.Connect(leader.server, w.senderName(nd.incarnation, nd.name, nd.followsTerm))
	nd.server.Receiver.sender.Slot = nd.incarnation
	// A walreceiver fetches history files before any WAL.
	for timeline := range leader.data.Begun {
		nd.data.Begun[timeline] = true
	}
	if leader.effective {
		leader.since = append(leader.since, nd.server.Receiver.sender)
	}
}
