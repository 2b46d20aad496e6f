package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ReplicationMode tells what a commit waits for.
// +kubebuilder:validation:Enum=Quorum;Asynchronous
type ReplicationMode string

const (
	// ModeQuorum has a commit wait until enough standbys have flushed it. Nothing that was acknowledged is lost.
	ModeQuorum ReplicationMode = "Quorum"
	// ModeAsynchronous has a commit wait for nobody. A failover may lose what was written last.
	ModeAsynchronous ReplicationMode = "Asynchronous"
)

// Durability tells what becomes of writes while fewer standbys are reachable than a commit is to wait for.
// +kubebuilder:validation:Enum=Required;Preferred
type Durability string

const (
	// DurabilityRequired blocks writes until enough standbys are back.
	DurabilityRequired Durability = "Required"
	// DurabilityPreferred goes on with fewer.
	DurabilityPreferred Durability = "Preferred"
)

// Availability is how many copies a commit waits for, and when a primary counts as lost. The effective values are in status.availability.
//
// +kubebuilder:validation:XValidation:rule="!has(self.maxLag) || (has(self.mode) && self.mode == 'Asynchronous')",message="maxLag: only for mode Asynchronous, since with Quorum nothing is lost; remove it, or set the mode"
// +kubebuilder:validation:XValidation:rule="!has(self.maxLag) || (quantity(string(self.maxLag)).isInteger() && quantity(string(self.maxLag)).compareTo(quantity('0')) >= 0)",message="maxLag: write a number of bytes, for example 16Mi, or 0 to lose nothing that the primary has published"
// +kubebuilder:validation:XValidation:rule="(has(self.leaseDurationSeconds) ? self.leaseDurationSeconds : 10) > (has(self.failureDetectionSeconds) ? self.failureDetectionSeconds : 2)",message="leaseDurationSeconds: more than failureDetectionSeconds (2 unless set); raise it, or lower failureDetectionSeconds"
type Availability struct {
	// Mode is Quorum unless set. It is changed while the cluster runs; the mode in force is in status.availability.quorum.
	// +optional
	Mode ReplicationMode `json:"mode,omitempty"`

	// SynchronousStandbys are how many standbys must have flushed a commit before it is acknowledged, with mode Quorum. Unset:
	// half of the instances, rounded down, and lower when the cluster is scaled down.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=8
	SynchronousStandbys *int32 `json:"synchronousStandbys,omitempty"`

	// Durability: Required blocks writes while fewer standbys are reachable, Preferred goes on with fewer. Unset: Preferred for
	// two instances, else Required.
	// +optional
	Durability Durability `json:"durability,omitempty"`

	// FailureDetectionSeconds is how long a primary may be silent before the standbys elect another one, and how long a standby
	// may fall behind before it counts as lost; 2 unless set. A failure that shows (a process that is gone, a closed connection) is acted upon at once.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=60
	FailureDetectionSeconds *int32 `json:"failureDetectionSeconds,omitempty"`

	// LeaseDurationSeconds is how long a primary that reaches neither the Kubernetes API nor its standbys goes on, and, with mode Asynchronous,
	// how long one that is silent counts as alive; 10 unless set.
	// +optional
	// +kubebuilder:validation:Minimum=6
	// +kubebuilder:validation:Maximum=300
	LeaseDurationSeconds *int32 `json:"leaseDurationSeconds,omitempty"`

	// MaxLag is how much a standby that takes over may lack of what the primary published last, with mode Asynchronous; 16Mi unless set.
	// +optional
	MaxLag *resource.Quantity `json:"maxLag,omitempty"`
}

// AvailabilityStatus is who leads, by what rules, and how that came about.
type AvailabilityStatus struct {
	// Effective is what spec.availability asks for, with all defaults.
	// +optional
	Effective EffectiveAvailability `json:"effective,omitempty"`
	// Quorum that the primary has published: every acknowledged commit is on this many of these members.
	// +optional
	Quorum *QuorumStatus `json:"quorum,omitempty"`
	// Term grows by one with each new primary.
	// +optional
	Term int64 `json:"term,omitempty"`
	// Holder is the instance that holds the Lease; the primary, once it takes writes.
	// +optional
	Holder string `json:"holder,omitempty"`
	// LastFailover is how the present term began; absent in the first one.
	// +optional
	LastFailover *FailoverStatus `json:"lastFailover,omitempty"`
	// SynchronousCommitOverrides are roles and databases for which synchronous_commit was lowered, as the primary told last; absent where there is none.
	// Their commits are acknowledged before a standby has them, and a failover may lose them. What a session sets for itself is not seen.
	// +optional
	SynchronousCommitOverrides *SynchronousCommitOverrides `json:"synchronousCommitOverrides,omitempty"`
	// CancelledWaits are commits that were returned before their standbys had them, since their wait was cancelled. Events with the reason
	// CommitWaitsCancelled tell of them; an instance that had none is not listed.
	// +optional
	// +listType=map
	// +listMapKey=instance
	// +kubebuilder:validation:MaxItems=30
	CancelledWaits []CancelledWaits `json:"cancelledWaits,omitempty"`
}

// SynchronousCommitOverrides are roles and databases whose commits do not wait for standbys.
type SynchronousCommitOverrides struct {
	// Total is how many there are, listed or not.
	// +required
	Total int32 `json:"total"`
	// Listed are at most 20 of them, by database and role.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Listed []SynchronousCommitOverride `json:"listed,omitempty"`
}

// SynchronousCommitOverride is one ALTER ROLE or ALTER DATABASE … SET synchronous_commit.
type SynchronousCommitOverride struct {
	// Database that it is for; absent for all of them.
	// +optional
	Database string `json:"database,omitempty"`
	// Role that it is for; absent for all of them.
	// +optional
	Role string `json:"role,omitempty"`
	// Value that it was lowered to: off, local or remote_write, or another word for off.
	// +required
	Value string `json:"value"`
}

// CancelledWaits counts the commits that one instance returned before their standbys had them.
type CancelledWaits struct {
	// +required
	Instance string `json:"instance"`
	// CountedSince is when the instance's count began at 0; it does again when its container starts.
	// +required
	CountedSince metav1.Time `json:"countedSince"`
	// Count since then, as old as a minute; the live value is in the metric commit_waits_cancelled_total.
	// +required
	Count int64 `json:"count"`
	// Untold is how many no event has told of yet: there is one for an instance within 15 minutes at most.
	// +optional
	Untold int64 `json:"untold,omitempty"`
	// ToldAt is when an event last told of some.
	// +optional
	ToldAt *metav1.Time `json:"toldAt,omitempty"`
}

// EffectiveAvailability are the values in effect for the number of instances that is asked for.
type EffectiveAvailability struct {
	// +optional
	Mode ReplicationMode `json:"mode,omitempty"`
	// +optional
	SynchronousStandbys int32 `json:"synchronousStandbys"`
	// +optional
	Durability Durability `json:"durability,omitempty"`
	// +optional
	FailureDetectionSeconds int32 `json:"failureDetectionSeconds,omitempty"`
	// +optional
	LeaseDurationSeconds int32 `json:"leaseDurationSeconds,omitempty"`
	// MaxLag, with mode Asynchronous.
	// +optional
	MaxLag *resource.Quantity `json:"maxLag,omitempty"`
}

// QuorumStatus is the quorum as the Lease publishes it.
type QuorumStatus struct {
	// Mode in force.
	// +optional
	Mode ReplicationMode `json:"mode,omitempty"`
	// Members are the instances that vote and count, the primary among them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=30
	Members []string `json:"members,omitempty"`
	// Required is on how many members a commit is flushed before it is acknowledged, the primary counted like any other.
	// +optional
	Required int32 `json:"required,omitempty"`
}

// FailoverStatus is one change of the primary.
type FailoverStatus struct {
	// +optional
	From string `json:"from,omitempty"`
	// +optional
	To string `json:"to,omitempty"`
	// Cause in one word: Handover where it was wanted, else what went wrong. docs/high-availability.md explains each.
	// +optional
	Cause string `json:"cause,omitempty"`
	// At is when the former primary was first missed, by the new one's clock.
	// +optional
	At metav1.Time `json:"at,omitempty"`
	// DurationMilliseconds from then until the new primary let clients in; absent before it does.
	// +optional
	DurationMilliseconds *int64 `json:"durationMilliseconds,omitempty"`
}
