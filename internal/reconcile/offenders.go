package reconcile

import (
	"k8s.io/apimachinery/pkg/types"
)

// RestPriority in the queue is that of a look at what is at rest, as of what a start or a resync brings. An event raises it.
const RestPriority = -100

// LowPriority in the queue is that of what has failed repeatedly: all others come first, those too that a start or a resync brings, which have -100.
const LowPriority = -200

// offends is after how many failures in a row an object is a repeat offender.
const offends = 3

// Offends tells whether the work on an object has failed repeatedly.
func (k *Keeper) Offends(uid types.UID) bool {
	known := k.ledger.Peek(uid)
	for _, failure := range known.Failures {
		if failure.Count >= offends {
			return true
		}
	}
	return len(known.Quarantine) > 0
}

// Offenders bounds how many objects that failed repeatedly are worked on at the same time: each may take long to fail, and all others wait for the same workers.
type Offenders struct{ slots chan struct{} }

// NewOffenders of a controller with so many workers: a quarter of them, and one at least.
func NewOffenders(workers int) *Offenders {
	return &Offenders{make(chan struct{}, max(1, workers/4))}
}

// Enter where there is room; leave is to be called at the end.
func (o *Offenders) Enter() (leave func(), ok bool) {
	select {
	case o.slots <- struct{}{}:
		return func() { <-o.slots }, true
	default:
		return nil, false
	}
}
