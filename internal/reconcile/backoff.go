package reconcile

import (
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
)

// LongestBackoff of what fails: within it a cause that was mended is found out, and counts go on.
const LongestBackoff = time.Minute

// noRoomWait is when an object is looked at again for which there was no room.
const noRoomWait = 2 * time.Second

// Backoff is the rate limiter of a controller's queue: of each object by itself, doubled with each failure. controller-runtime's own goes up to a quarter of an hour.
type Backoff[T comparable] struct {
	workqueue.TypedRateLimiter[T]

	noRoom sync.Map
}

// NewBackoff of one controller.
func NewBackoff[T comparable]() *Backoff[T] {
	return &Backoff[T]{TypedRateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[T](5*time.Millisecond, LongestBackoff)}
}

// NoRoom says that an object which is about to be put back was not attempted: that is no failure, and its next attempt is not to wait longer for it.
func (b *Backoff[T]) NoRoom(object T) { b.noRoom.Store(object, true) }

// When an object is to be attempted again.
func (b *Backoff[T]) When(object T) time.Duration {
	if _, waits := b.noRoom.LoadAndDelete(object); waits {
		return noRoomWait
	}
	return b.TypedRateLimiter.When(object)
}
