package postgresoperation

import "github.com/timonier-io/timonier/api/postgres/v1alpha1"

// loss that goes on after a forced promotion, for people; "" for any other operation.
func (f facts) loss() string {
	if f.spec.Type != v1alpha1.OperationForcePromotion {
		return ""
	}
	return ". What it lacked is lost, and so is what any other instance acknowledges until it has read this Lease: keep clients from those that are cut off"
}

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
