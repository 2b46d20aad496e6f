package reconcile

import (
	"time"

	"k8s.io/client-go/util/workqueue"
)

// LongestBackoff of what fails: within it a cause that was mended is found out, and counts go on.
const LongestBackoff = time.Minute

// Backoff is the rate limiter of a controller's queue: of each object by itself, doubled with each failure. controller-runtime's own goes up to a quarter of an hour.
func Backoff[T comparable]() workqueue.TypedRateLimiter[T] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[T](5*time.Millisecond, LongestBackoff)
}
