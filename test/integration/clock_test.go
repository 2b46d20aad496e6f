//go:build integration

package integration

import (
	"sync/atomic"
	"time"
)

// later is by how much the operator's clock is ahead.
var later atomic.Int64

// now is the operator's clock.
func now() time.Time { return time.Now().Add(time.Duration(later.Load())) }

// pass has so much time go by for the operator.
func pass(by time.Duration) { later.Add(int64(by)) }
