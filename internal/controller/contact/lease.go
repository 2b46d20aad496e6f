package contact

import (
	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/timonier-io/timonier/internal/election"
)

// Fields of a Lease, which a Record is read from.
func Fields(lease *coordinationv1.Lease) election.Fields {
	fields := election.Fields{Annotations: lease.Annotations}
	if lease.Spec.HolderIdentity != nil {
		fields.HolderIdentity = *lease.Spec.HolderIdentity
	}
	if lease.Spec.LeaseTransitions != nil {
		fields.LeaseTransitions = int64(*lease.Spec.LeaseTransitions)
	}
	if lease.Spec.LeaseDurationSeconds != nil {
		fields.LeaseDurationSeconds = int64(*lease.Spec.LeaseDurationSeconds)
	}
	if lease.Spec.RenewTime != nil {
		fields.RenewTime = lease.Spec.RenewTime.Time
	}
	return fields
}

// Leader is the instance that leads and takes writes, by its own word and by the Lease; "" where none does.
func Leader(record election.Record, instances map[string]Instance) string {
	holder, known := instances[record.Holder]
	if known && holder.Answers() && holder.Status.Leader {
		return record.Holder
	}
	return ""
}
