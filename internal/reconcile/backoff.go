package reconcile

import (
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
)

// LongestBackoff of what fails: within it a cause that was mended is found out, and counts go on.
const LongestBackoff = time.Minute

// offenderPause is the least time between two attempts on what has failed repeatedly, and until it is looked at again where there was no room for it. What did not heal
// by itself within the first few hundredths of a second does not so soon, and would only take from the others what it costs to try.
const offenderPause = 2 * time.Second

// Backoff is the rate limiter of a controller's queue: of each object by itself, doubled with each failure. controller-runtime's own goes up to a quarter of an hour.
type Backoff[T comparable] struct {
	workqueue.TypedRateLimiter[T]

	noRoom, again sync.Map
}

// NewBackoff of one controller.
func NewBackoff[T comparable]() *Backoff[T] {
	return &Backoff[T]{TypedRateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[T](5*time.Millisecond, LongestBackoff)}
}

// NoRoom says that an object which is about to be put back was not attempted: that is no failure, and its next attempt is not to wait longer for it.
func (b *Backoff[T]) NoRoom(object T) { b.noRoom.Store(object, true) }

// Again says that an object which is about to be put back has failed repeatedly, and now once more. An event ends the pause.
func (b *Backoff[T]) Again(object T) { b.again.Store(object, true) }

// When an object is to be attempted again.
func (b *Backoff[T]) When(object T) time.Duration {
	if _, waits := b.noRoom.LoadAndDelete(object); waits {
		return offenderPause
	}
	wait := b.TypedRateLimiter.When(object)
	if _, failed := b.again.LoadAndDelete(object); failed {
		wait = max(wait, offenderPause)
	}
	return wait
}
