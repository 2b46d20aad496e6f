package faults

import (
	"errors"
	"fmt"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/test/workload"
)

// What may be missing at the end. With mode Quorum that is nothing. With mode Asynchronous it is nothing either where the primary was the same all the
// time, or handed over. Where somebody took over from one that was lost, by the lease's clock, it is proved that
//
//   - nobody did so before the lease had ended that the former primary was seen to have;
//   - what is missing was acknowledged by the former primary, shortly before the fault or later, and sent before somebody else had the Lease. So it has
//     acknowledged nothing from then on, to whoever still reached it;
//   - all else that was acknowledged, by the successor to begin with, is there, and fits one order.

// memberLag is what a standby may lack that is a member: one that is further behind is none after failureDetectionSeconds.
const memberLag = 2 * time.Second

// conceded is what may be missing after a fault at that time. clock tells a time by that of the load. The error tells of a successor that came too early.
func conceded(before, after Leadership, at time.Duration, clock func(time.Time) time.Duration) (workload.Concession, error) {
	last := after.LastFailover
	switch {
	case before.Quorum.Mode != election.ModeAsynchronous, after.Term == before.Term:
		return workload.Concession{}, nil
	case after.Term != before.Term+1 || last == nil:
		return workload.Concession{}, errors.New("what may be missing is not known where more than one took over")
	case last.Cause == election.CauseHandover:
		return workload.Concession{}, nil
	}
	found := workload.Concession{From: at - memberLag, To: clock(after.AcquiredAt)}
	if waited := after.AcquiredAt.Sub(before.RenewedAt); waited < before.Lasts {
		return found, fmt.Errorf("%s took the Lease %s after %s had renewed it for %s", after.Holder, waited, before.Holder, before.Lasts)
	}
	return found, nil
}
