package sim

import "github.com/timonier-io/timonier/internal/election"

// point in the middle of a step, where an instance may crash. Those that the instance manager has too are named as there.
type point string

const (
	tellBegin   point = "tell: begin"   // nothing is written down yet
	tellWritten point = "tell: written" // that it is told is on disk, and PostgreSQL is not configured
	leaseWrite  point = "lease: write"  // it is not sent yet
	leaseSent   point = "lease: sent"   // it is done, or refused, or lands later, or never
	rewindBegin point = "rewind: begin" // nothing is taken back yet
	rewindDone  point = "rewind: done"  // all is taken back, and nothing on disk says so
)

var points = []point{tellBegin, tellWritten, leaseWrite, leaseSent, rewindBegin, rewindDone}

// passes a point: it neither crashes there nor is held there by what is staged.
func (w *World) passes(nd *node, at point, step election.Step) bool {
	switch {
	case w.stuck != nil && w.stuck(nd, at, step):
		return false
	case w.healed || w.rng.IntN(50) > 0:
		return true
	}
	w.faults++
	w.crashes[at]++
	if halfway(nd, at, step) {
		w.halfways[at]++
	}
	w.tell("%s: crashes at %q", nd.name, at)
	w.crash(nd)
	return false
}

// halfway through a change of the quorum: PostgreSQL is told, and nobody knows yet that it is published; or the other way round.
func halfway(nd *node, at point, step election.Step) bool {
	asRead, published := nd.told.Equal(nd.lease.Quorum), step.Record.Quorum
	switch {
	case nd.lease.Holder != nd.name:
		return false
	case at == tellBegin:
		return !asRead && step.Quorum.Equal(nd.lease.Quorum)
	case at == leaseWrite:
		return !asRead && published.Equal(nd.told)
	}
	return at == leaseSent && (!asRead || !published.Equal(nd.told))
}
