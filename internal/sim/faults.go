package sim

import (
	"slices"

	"github.com/timonier-io/timonier/internal/election"
)

// theme of a world: one kind of faults that is frequent there, so that what takes several of them is seen too.
type theme int

const (
	anything theme = iota
	crashes
	connections
	handovers
	networks
	volumes
	rarities
	themes
)

func (w *World) anyTheme() theme { return anything + 1 + theme(w.rng.IntN(int(themes-anything)-1)) }

// fault of any kind that the protocol must bear.
func (w *World) fault(nd *node) {
	w.faults++
	kind := w.anyTheme()
	if w.chance(40) {
		kind = w.theme
	}
	switch kind {
	case crashes:
		switch {
		case w.chance(20):
			w.crash(nd)
		case nd.server != nil && w.chance(20): // PID 1 lives, PostgreSQL is killed
			w.stop(nd)
		}
	case connections:
		w.disconnect(nd)
	case handovers:
		w.ask(nd)
	case networks:
		w.isolate(nd)
	case volumes:
		w.replace(nd)
	case rarities:
		w.rare(nd)
	default:
	}
}

// disconnect a standby, at one end.
func (w *World) disconnect(nd *node) {
	switch {
	case nd.server == nil:
	case nd.server.Receiver != nil:
		if w.chance(50) {
			nd.server.Disconnect()
		}
	case len(nd.server.senders) > 0:
		nd.server.Terminate(nd.server.senders[w.rng.IntN(len(nd.server.senders))])
	}
}

// replace a volume, where this world knows that.
func (w *World) replace(nd *node) {
	switch {
	case !w.wipes || !w.chance(10):
	case w.chance(50):
		w.wipe(nd)
	default:
		w.swap(nd)
	}
}

// isolate a node, from the API or in one direction from another; or let it be.
func (w *World) isolate(nd *node) {
	other := w.nodes[w.rng.IntN(len(w.nodes))]
	switch w.rng.IntN(8) {
	case 0:
		nd.apiCut = w.chance(30)
	case 1:
		w.apiDown = w.chance(15)
	case 2:
		w.cut[[2]*node{nd, other}] = nd != other
	case 3:
		w.cut[[2]*node{nd, other}], w.cut[[2]*node{other, nd}] = nd != other, nd != other
	default:
		clear(w.cut)
	}
}

// rare faults.
func (w *World) rare(nd *node) {
	switch w.rng.IntN(6) {
	case 0:
		w.freeze(nd)
	case 1:
		nd.stalled = w.chance(40)
	case 2:
		nd.clock += w.rng.IntN(4*leaseDuration) - 2*leaseDuration
	case 3:
		w.configureAnew()
	case 4:
		if !w.rules.LosesLease && nd.data != nil && !w.seen(w.leader(), nd) && w.chance(10) {
			nd.force = true
			w.tell("%s: forced", nd.name)
		}
	default:
		nd.stalled = false
	}
}

// seen tells whether anybody hears the leader, but one: a human may force that one otherwise.
func (w *World) seen(leader, but *node) bool {
	if leader == nil || leader.server == nil || leader.server.Recovery {
		return false
	}
	return leader == but || slices.ContainsFunc(w.nodes, func(nd *node) bool { return nd != leader && w.carries(leader, nd) })
}

// freeze a node with all its processes: it goes on later as if nothing had been.
func (w *World) freeze(nd *node) {
	nd.frozenUntil = w.now + w.rng.IntN(300)
	w.tell("%s: frozen until %d, at %d", nd.name, nd.frozenUntil, w.now)
}

func (w *World) crash(nd *node) {
	w.stop(nd)
	crashed := nd.data != nil && !nd.data.ShutDown
	if nd.data != nil {
		nd.data.LosePower()
	}
	if w.rules.PromiseInMemory {
		nd.promise = 0
	}
	nd.up, nd.stalled, nd.frozenUntil, nd.clone, nd.memory = false, false, 0, nil, forgetful()
	nd.crashed = crashed
}

// ask the leader to leave, or to hand over.
func (w *World) ask(nd *node) {
	if nd.lease.Holder != nd.name {
		return
	}
	switch other := w.nodes[w.rng.IntN(len(w.nodes))]; w.rng.IntN(6) {
	case 0:
		nd.leave = true
	case 1, 2, 3:
		nd.handOver = other.name
	default: // it took too long
		nd.leave, nd.handOver = false, ""
	}
}

// configureAnew: what is asked for changes.
func (w *World) configureAnew() {
	n := len(w.nodes)
	switch w.rng.IntN(4) {
	case 0:
		w.asked = defaults(n)
	case 1:
		w.asked.SynchronousStandbys = w.rng.IntN(n)
	case 2:
		w.asked.Preferred = w.chance(50)
	case 3:
		if w.asked.Mode = election.ModeQuorum; w.modes && w.chance(50) {
			w.asked.Mode = election.ModeAsynchronous
		}
	}
	w.asked.Instances = nil
	for _, nd := range w.nodes {
		if w.chance(90) {
			w.asked.Instances = append(w.asked.Instances, nd.name)
		}
	}
}
