package postgresoperation

import "github.com/timonier-io/timonier/api/postgres/v1alpha1"

// decidePromotion asks the instance once. Whether it may is the instance's own to say: it knows what it reaches.
func decidePromotion(f facts) step {
	target := f.target()
	if f.over() {
		return f.takenOver(target)
	}
	switch {
	case f.status.RequestedAt == nil && f.late(f.status.StartedAt, askedWithin), f.late(f.status.RequestedAt, promotionWithin):
		return f.fail(v1alpha1.ReasonTimedOut, "%s has not taken the Lease: it %s", target, f.doing(target))
	case f.status.RequestedAt != nil || !f.instances[target].Answers():
		return f.wait("%s is to take the Lease: it %s", target, f.doing(target))
	}
	return f.ask(verbPromote, target, "")
}
