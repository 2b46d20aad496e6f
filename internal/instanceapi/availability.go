package instanceapi

import "time"

// Availability is how many copies a commit waits for, and when a leader counts as lost.
type Availability struct {
	// Mode that is asked for, Quorum or Asynchronous. The mode in force is the one that the Lease publishes.
	Mode string `json:"mode"`
	// SynchronousStandbys are how many standbys must have flushed a commit, with Quorum: less than there are instances.
	SynchronousStandbys int `json:"synchronousStandbys"`
	// Durability is Required, which blocks writes while fewer standbys are reachable, or Preferred, which goes on with fewer.
	Durability string `json:"durability"`
	// FailureDetectionSeconds is how long a leader may be silent, and a standby may not follow.
	FailureDetectionSeconds int32 `json:"failureDetectionSeconds"`
	// LeaseDurationSeconds is how long a leader that renews no more counts as alive, with Asynchronous.
	LeaseDurationSeconds int32 `json:"leaseDurationSeconds"`
	// MaxLagBytes is how much a standby that takes over may lack, with Asynchronous.
	MaxLagBytes int64 `json:"maxLagBytes,omitempty"`
}

// Values of Availability.
const (
	ModeQuorum          = "Quorum"
	ModeAsynchronous    = "Asynchronous"
	DurabilityRequired  = "Required"
	DurabilityPreferred = "Preferred"
)

// CancelledWaits are commits that this instance returned before their standbys had them, as counted from its log. They are committed here, and perhaps
// nowhere else.
type CancelledWaits struct {
	// Since when they are counted, from 0: another value is another count. It outlasts an upgrade of the program, and no restart of it.
	Since time.Time `json:"since"`
	Count int64     `json:"count"`
}

// MaxOverrides is how many are listed at most.
const MaxOverrides = 20

// SynchronousCommitOverrides are roles and databases that have lowered synchronous_commit: their commits may be lost by a failover.
type SynchronousCommitOverrides struct {
	// Total number of them; Listed are the first MaxOverrides, by database and role.
	Total  int                         `json:"total"`
	Listed []SynchronousCommitOverride `json:"listed,omitempty"`
}

// SynchronousCommitOverride is one ALTER ROLE or ALTER DATABASE … SET synchronous_commit.
type SynchronousCommitOverride struct {
	// Role and Database that it is for, each "" for all.
	Role     string `json:"role,omitempty"`
	Database string `json:"database,omitempty"`
	// Value as it was written, in lower case: off, local or remote_write, or another word for off.
	Value string `json:"value"`
}

// SwitchoverRequest asks the leader to hand over. It is refused with 409 and the reason NotMember, Lagging, or
// NobodyEligible; and answered with 202 once it is begun. Who leads afterwards is in the Lease.
type SwitchoverRequest struct {
	// To names the instance that is to lead; "" leaves the choice to the leader.
	To string `json:"to,omitempty"`
}

// ReinitializeRequest asks a standby to throw its data away and to clone it again. It is refused with 409: NotStandby where it
// leads, NotSafe where too few members would be left.
type ReinitializeRequest struct{}

// ForcePromotionRequest lets an instance take the Lease without the votes that it would need. It is refused with 409: LeaderReachable where any
// instance reaches a leader, VotesEnough where an election could decide.
type ForcePromotionRequest struct {
	// AcceptDataLoss must be true.
	AcceptDataLoss bool `json:"acceptDataLoss"`
}

// ForcePromotionReply tells what may have been lost.
type ForcePromotionReply struct {
	// Position of the promoted copy, and Term that wrote it.
	Position string `json:"position"`
	Term     int64  `json:"term"`
	// LeaderPosition that the leader published last, and its term.
	LeaderPosition string `json:"leaderPosition"`
	LeaderTerm     int64  `json:"leaderTerm"`
}
