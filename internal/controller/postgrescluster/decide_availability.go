package postgrescluster

import (
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// Defaults of spec.availability, in seconds and bytes.
const (
	defaultFailureDetection = 2
	defaultLeaseDuration    = 10
	defaultMaxLag           = 16 << 20
)

// effectiveAvailability fills in what a person left open, for this number of instances. More standbys than there are is refused by
// the CRD; a cluster that hibernates is the exception, and a number that came with it is lowered.
func effectiveAvailability(asked v1alpha1.Availability, instances int) v1alpha1.EffectiveAvailability {
	effective := v1alpha1.EffectiveAvailability{
		Mode: v1alpha1.ModeQuorum, Durability: v1alpha1.DurabilityRequired,
		FailureDetectionSeconds: defaultFailureDetection, LeaseDurationSeconds: defaultLeaseDuration,
	}
	if asked.Mode != "" {
		effective.Mode = asked.Mode
	}
	if instances == 2 {
		// With both required, the loss of either would stop writes: no cluster of two is better for it than one of one.
		effective.Durability = v1alpha1.DurabilityPreferred
	}
	if asked.Durability != "" {
		effective.Durability = asked.Durability
	}
	if asked.FailureDetectionSeconds != nil {
		effective.FailureDetectionSeconds = *asked.FailureDetectionSeconds
	}
	if asked.LeaseDurationSeconds != nil {
		effective.LeaseDurationSeconds = *asked.LeaseDurationSeconds
	}
	if effective.Mode == v1alpha1.ModeAsynchronous {
		effective.MaxLag = resource.NewQuantity(defaultMaxLag, resource.BinarySI)
		if asked.MaxLag != nil {
			effective.MaxLag = asked.MaxLag
		}
		return effective
	}
	effective.SynchronousStandbys = int32(instances / 2) //nolint:gosec // at most nine
	if asked.SynchronousStandbys != nil {
		effective.SynchronousStandbys = min(*asked.SynchronousStandbys, int32(max(instances-1, 0))) //nolint:gosec // at most nine
	}
	return effective
}

// availability in effect.
func (s *scope) availability() v1alpha1.EffectiveAvailability {
	return effectiveAvailability(s.cluster.Spec.Availability, s.instancesWanted())
}

// told is what instances are told of the availability in effect.
func told(effective v1alpha1.EffectiveAvailability) *instanceapi.Availability {
	availability := &instanceapi.Availability{
		Mode: string(effective.Mode), SynchronousStandbys: int(effective.SynchronousStandbys), Durability: string(effective.Durability),
		FailureDetectionSeconds: effective.FailureDetectionSeconds, LeaseDurationSeconds: effective.LeaseDurationSeconds,
	}
	if effective.MaxLag != nil {
		availability.MaxLagBytes = effective.MaxLag.Value()
	}
	return availability
}

// availabilityStatus of what the Lease publishes. A Lease that cannot be read, or is empty, leaves what was known of it.
func (s *scope) availabilityStatus(former *v1alpha1.AvailabilityStatus) *v1alpha1.AvailabilityStatus {
	status := &v1alpha1.AvailabilityStatus{}
	if former != nil {
		status = former.DeepCopy()
	}
	status.Effective = s.availability()
	status.SynchronousCommitOverrides = s.overrides(status.SynchronousCommitOverrides)
	status.CancelledWaits = s.cancelledWaits(status.CancelledWaits)
	record := s.observed.record
	if record.Term == 0 {
		return status
	}
	status.Term, status.Holder = record.Term, record.Holder
	status.Quorum = &v1alpha1.QuorumStatus{
		Mode: v1alpha1.ReplicationMode(record.Quorum.Mode), Members: record.MemberNames(), Required: int32(record.Quorum.Required), //nolint:gosec // at most as many as members
	}
	status.LastFailover = failoverStatus(record.LastFailover)
	return status
}

func failoverStatus(failover *election.Failover) *v1alpha1.FailoverStatus {
	if failover == nil {
		return nil
	}
	// To the second, as the API server keeps it: it would seem to change each time otherwise.
	status := &v1alpha1.FailoverStatus{From: failover.From, To: failover.To, Cause: failover.Cause, At: metav1.NewTime(failover.SuspectedAt.Truncate(time.Second))}
	if !failover.OpenedAt.IsZero() {
		took := max(failover.OpenedAt.Sub(failover.SuspectedAt).Milliseconds(), 0)
		status.DurationMilliseconds = &took
	}
	return status
}
