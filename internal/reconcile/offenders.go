package reconcile

import (
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
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

// Offenders bounds how many objects of a controller that failed repeatedly are worked on at the same time, and has them come after all others: each may take long to
// fail, and all wait for the same workers.
type Offenders struct {
	slots   chan struct{}
	backoff *Backoff[ctrl.Request]
}

// NewOffenders of a controller with so many workers: a quarter of them have room for such, and one at least.
func NewOffenders(workers int) *Offenders {
	return &Offenders{make(chan struct{}, max(1, workers/4)), NewBackoff[ctrl.Request]()}
}

// Backoff is what the queue of the controller must go by.
func (o *Offenders) Backoff() *Backoff[ctrl.Request] { return o.backoff }

// Work on an object. Where it offends, only if there is room, and it is put back behind all others.
func (o *Offenders) Work(request ctrl.Request, offends bool, work func() (ctrl.Result, error)) (ctrl.Result, error) {
	if !offends {
		return work()
	}
	low := LowPriority
	select {
	case o.slots <- struct{}{}:
		defer func() { <-o.slots }()
	default:
		// That there is room is no event.
		o.backoff.NoRoom(request)
		return ctrl.Result{Requeue: true, Priority: &low}, nil //nolint:staticcheck // RequeueAfter would have the queue forget its back-off
	}
	result, err := work()
	// What passes is no reason to wait, whatever else has failed.
	if cause, _ := CauseOf(err); cause >= quarantine.Unknown {
		o.backoff.Again(request)
	}
	result.Priority = &low
	return result, err
}
