// Package instanceapi is what the operator and the instances say to each other:
// the JSON documents of the mutual-TLS API that every instance serves on
// naming.PortAPI, the paths, and a client for them. It decides nothing.
//
//	GET  /v1/status         Status                       operator, instance
//	GET  /v1/statuses       Statuses of all instances    operator
//	GET  /v1/configuration  → Configuration in force     operator
//	PUT  /v1/configuration  Configuration → Status       operator
//	PUT  /v1/access         Access → AccessReport        operator; the leader only
//	POST /v1/restart        RestartRequest → Status      operator
//	PUT  /v1/binary         the program → BinaryReply    operator
//	POST /v1/switchover     SwitchoverRequest → Status   operator; the leader only
//	POST /v1/reinitialize   ReinitializeRequest → Status operator; a standby only
//	POST /v1/force-promotion ForcePromotionRequest → ForcePromotionReply  operator
//	GET  /v1/heartbeats     Heartbeat, one a line, without end  instance
//	GET  /metrics           Prometheus text              operator, monitor
//
// An endpoint answers 403 to a certificate without the role, 409 where the
// instance cannot do it in its present state, 422 where it refuses the content;
// the body is then an Error.
package instanceapi

import "time"

// Paths of the API.
const (
	PathStatus        = "/v1/status"
	PathStatuses      = "/v1/statuses"
	PathConfiguration = "/v1/configuration"
	PathAccess        = "/v1/access"
	PathRestart       = "/v1/restart"
	PathBinary        = "/v1/binary"
	PathSwitchover    = "/v1/switchover"
	PathReinitialize  = "/v1/reinitialize"
	PathForce         = "/v1/force-promotion"
	PathHeartbeats    = "/v1/heartbeats"
	PathMetrics       = "/metrics"
)

// Error is the body of an answer that is not 2xx.
type Error struct {
	// Reason is CamelCase, for programs: NotLeader, Busy, Rejected, Forbidden, Failed.
	Reason string `json:"reason"`
	// Message is for people: what happened, to which object, why, what to do next.
	Message string `json:"message"`
}

// State is what an instance is doing, in one word.
type State string

// States of an instance.
const (
	// StateStarting: the instance manager runs and has not decided yet what to do.
	StateStarting State = "Starting"
	// StateWaiting: it cannot go on by itself; Message tells for what it waits.
	StateWaiting State = "Waiting"
	// StateBootstrapping: initdb runs, under the mark in the Lease.
	StateBootstrapping State = "Bootstrapping"
	// StateCloning: a base backup is being taken from the leader.
	StateCloning State = "Cloning"
	// StateRewinding: what this copy has and its leader has not is being taken back.
	StateRewinding State = "Rewinding"
	// StateRecovering: postgres is started and does not accept connections yet.
	StateRecovering State = "Recovering"
	// StateRunning: postgres serves as primary.
	StateRunning State = "Running"
	// StateStreaming: postgres serves as standby and receives WAL from the leader.
	StateStreaming State = "Streaming"
	// StateFollowing: postgres serves as standby but does not receive WAL now.
	StateFollowing State = "Following"
	// StateRestarting: postgres is being restarted on request.
	StateRestarting State = "Restarting"
	// StateStopping: the instance is being shut down.
	StateStopping State = "Stopping"
	// StateFailed: postgres does not start; Message tells why; it is tried again.
	StateFailed State = "Failed"
)

// WaitReason tells for what an instance in StateWaiting waits; or, while a standby goes on serving reads, what keeps it from following.
type WaitReason string

// Reasons for waiting.
const (
	// WaitDataMissing: the volume is empty although this instance must have data; it may neither initdb nor clone.
	WaitDataMissing WaitReason = "DataMissing"
	// WaitInitialise: initdb fails again and again; it is tried on.
	WaitInitialise WaitReason = "CannotInitialise"
	// WaitLeader: there is no leader to clone from or to follow.
	WaitLeader WaitReason = "NoLeader"
	// WaitVolumes: without a leader, not all volumes have reported yet.
	WaitVolumes WaitReason = "VolumesMissing"
	// WaitForeignSystem: the volume holds another PostgreSQL system than the Lease names.
	WaitForeignSystem WaitReason = "ForeignSystem"
	// WaitLaterData: the volume has data of a later term than the Lease's; nothing is done with it before a person has looked.
	WaitLaterData WaitReason = "LaterData"
	// WaitFollow: this standby cannot follow its leader, and cloning it again did not help, or fails. Reads go on where its server runs.
	WaitFollow WaitReason = "CannotFollow"
	// WaitIrreparable: this copy can neither be used nor repaired, and is not thrown away, since it is one of the members without which the leader
	// would have too few.
	WaitIrreparable WaitReason = "Irreparable"
	// WaitLease: the Lease does not exist, or cannot be read.
	WaitLease WaitReason = "LeaseUnreadable"
	// WaitConfiguration: the operator has not sent a configuration yet and none is on disk.
	WaitConfiguration WaitReason = "NoConfiguration"
	// WaitVersion: the PostgreSQL programs in the image are of another major version than the data or the spec.
	WaitVersion WaitReason = "VersionMismatch"
)

// Status is what an instance knows of itself, now.
type Status struct {
	Instance  string `json:"instance"`
	Cluster   string `json:"cluster"`
	Namespace string `json:"namespace"`
	// Address is the pod's IP.
	Address string `json:"address,omitempty"`
	// Node that the pod runs on.
	Node string `json:"node,omitempty"`

	State      State      `json:"state"`
	WaitReason WaitReason `json:"waitReason,omitempty"`
	// Message tells people why, empty where State says it all.
	Message string `json:"message,omitempty"`
	// Ready: postgres accepts connections and, on a standby, has reached consistency.
	Ready bool `json:"ready"`
	// Leader: this instance leads and postgres is not in recovery. It holds the Lease, or held it until that was deleted.
	Leader bool `json:"leader"`

	// Volume tells what the instance's volumes hold.
	Volume VolumeReport `json:"volume"`

	// Manager is the instance manager itself.
	Manager Manager `json:"manager"`
	// Postgres is nil while no postmaster runs.
	Postgres *Postgres `json:"postgres,omitempty"`

	// ConfigurationRevision in force: written to disk and loaded by postgres, but for PendingRestart.
	ConfigurationRevision string `json:"configurationRevision,omitempty"`
	// Rejected is the last configuration that was refused, until another one is accepted.
	Rejected *Rejection `json:"rejected,omitempty"`
	// Certificates loaded, as SHA-256 fingerprints in hex.
	Certificates CertificateReport `json:"certificates"`

	// CancelledWaits are commits that nobody may rely on; nil from an instance that does not count them.
	CancelledWaits *CancelledWaits `json:"cancelledWaits,omitempty"`
	// SynchronousCommitOverrides in the catalogue, told by the leader alone; nil while it has not looked.
	SynchronousCommitOverrides *SynchronousCommitOverrides `json:"synchronousCommitOverrides,omitempty"`
}

// VolumeReport tells what the instance's volumes hold; the basis of every decision about who may lead.
type VolumeReport struct {
	// Inspected: the volumes were looked at. Without it the rest says nothing, not even that there is no data.
	Inspected bool `json:"inspected"`
	// Initialised: a data directory is in place (pgdata exists with a control file). pgdata.new does not count.
	Initialised bool `json:"initialised"`
	// EverInitialised: an identity with a system identifier is on one of the volumes, whether or not data is.
	EverInitialised bool `json:"everInitialised"`
	// SystemIdentifier of pg_control, or recorded in the identity file; decimal.
	SystemIdentifier string `json:"systemIdentifier,omitempty"`
	// MajorVersion in PG_VERSION.
	MajorVersion string `json:"majorVersion,omitempty"`
	// Incarnation: random identity of this copy of the data, new with each clone.
	Incarnation string `json:"incarnation,omitempty"`
	// Revision is the highest revision of the Lease ever seen by this volume.
	Revision int64 `json:"revision,omitempty"`
	// Promise is the revision that this volume voted for last, 0 for none; absent from an instance that does not tell. A vote counts as long as no higher
	// Revision was seen.
	Promise *int64 `json:"promise,omitempty"`
	// Term in which the last record at Position was written.
	Term int64 `json:"term,omitempty"`
	// HighestTerm and HighestTimeline that this volume has ever seen.
	HighestTerm     int64 `json:"highestTerm,omitempty"`
	HighestTimeline int64 `json:"highestTimeline,omitempty"`
	// Timeline of the data.
	Timeline int64 `json:"timeline,omitempty"`
	// Position that recovery reaches, as a WAL location "0/3000148". Exact only with PositionKnown.
	Position string `json:"position,omitempty"`
	// PositionKnown: postgres was run to the end of its WAL since it last started, or was shut down cleanly.
	PositionKnown bool `json:"positionKnown,omitempty"`
	// Members that the last Lease record seen by this volume named: instances' names.
	Members []string `json:"members,omitempty"`
}

// Manager is the instance manager.
type Manager struct {
	// Version that the program was built as.
	Version string `json:"version"`
	// Hash is the SHA-256 of /proc/1/exe, in hex.
	Hash      string    `json:"hash"`
	StartedAt time.Time `json:"startedAt"`
}

// Postgres is a running server.
type Postgres struct {
	PID       int       `json:"pid"`
	StartedAt time.Time `json:"startedAt"`
	// Version as `postgres --version` tells it: "17.6".
	Version    string `json:"version"`
	InRecovery bool   `json:"inRecovery"`
	Timeline   int64  `json:"timeline"`
	// Position: inserted on a primary; received, or replayed where nothing was received, on a standby.
	Position string `json:"position"`
	// ReplayPosition on a standby.
	ReplayPosition string `json:"replayPosition,omitempty"`
	// PendingRestart are parameters whose configured value waits for a restart.
	PendingRestart []string `json:"pendingRestart,omitempty"`
	// StandbySensitive are the values now in force of the parameters that a standby may not set lower
	// than its primary (postgres.StandbySensitive).
	StandbySensitive map[string]int64 `json:"standbySensitive,omitempty"`
	// Replicas that stream from here.
	Replicas []Replica `json:"replicas,omitempty"`
}

// Replica is a standby that streams from this instance.
type Replica struct {
	// Instance and Incarnation as told by its application_name.
	Instance    string `json:"instance"`
	Incarnation string `json:"incarnation,omitempty"`
	State       string `json:"state"`
	Flushed     string `json:"flushed,omitempty"`
	Replayed    string `json:"replayed,omitempty"`
	// LagBytes between the primary's position and Flushed.
	LagBytes int64 `json:"lagBytes"`
}

// Rejection is a configuration that was refused; the former one is in force.
type Rejection struct {
	Revision string `json:"revision"`
	// Message names the parameter or the hba line, the cause and the remedy.
	Message string `json:"message"`
}

// CertificateReport tells which certificates are in use.
type CertificateReport struct {
	// PeerCAs and ClientCAs in the bundles that are trusted now.
	PeerCAs   []string `json:"peerCAs,omitempty"`
	ClientCAs []string `json:"clientCAs,omitempty"`
	// Peer, Server and Replication are the leaf certificates in use.
	Peer        string `json:"peer,omitempty"`
	Server      string `json:"server,omitempty"`
	Replication string `json:"replication,omitempty"`
}

// Configuration is all that an instance needs to know of its cluster, beside what its pod's environment tells.
type Configuration struct {
	// Revision identifies the content: equal content, equal revision.
	Revision string `json:"revision"`
	// Version is the major version that the spec asks for.
	Version string `json:"version"`
	// Parameters as the user gave them, validated; the instance adds its own.
	Parameters map[string]string `json:"parameters,omitempty"`
	// HBA lines of the user, validated.
	HBA []string `json:"hba,omitempty"`
	// Instances are all that have, or are about to have, a volume: each must be heard where there is no leader,
	// and has a slot on every other.
	Instances []string `json:"instances"`
	// Availability as the spec asks for it, its defaults filled in; nil from an operator that knows none.
	Availability *Availability `json:"availability,omitempty"`
}

// RestartRequest asks for a restart of postgres in place.
type RestartRequest struct {
	// Revision of the configuration for whose sake: where postgres does not come up with it, the former one is restored and Rejected says so.
	Revision string `json:"revision"`
}

// BinaryReply answers an upload of the instance manager; the exec follows at once.
type BinaryReply struct {
	// Hash of what was received, SHA-256 in hex.
	Hash string `json:"hash"`
}

// Access is what is to be true of roles and databases.
type Access struct {
	Roles     []Role     `json:"roles,omitempty"`
	Databases []Database `json:"databases,omitempty"`
}

// Role of PostgreSQL.
type Role struct {
	Name        string `json:"name"`
	Absent      bool   `json:"absent,omitempty"`
	Login       bool   `json:"login"`
	CreateDB    bool   `json:"createDB"`
	CreateRole  bool   `json:"createRole"`
	Replication bool   `json:"replication"`
	BypassRLS   bool   `json:"bypassRLS"`
	Inherit     bool   `json:"inherit"`
	// ConnectionLimit, -1 for none.
	ConnectionLimit int32    `json:"connectionLimit"`
	MemberOf        []string `json:"memberOf,omitempty"`
	// Verifier is the SCRAM-SHA-256 verifier of the password; empty leaves the password as it is.
	Verifier string `json:"verifier,omitempty"`
}

// Database of PostgreSQL.
type Database struct {
	Name            string   `json:"name"`
	Absent          bool     `json:"absent,omitempty"`
	ConfirmDataLoss string   `json:"confirmDataLoss,omitempty"`
	Owner           string   `json:"owner,omitempty"`
	Extensions      []string `json:"extensions,omitempty"`
}

// ObjectState is what became of a role or database.
type ObjectState string

// States of roles and databases.
const (
	// ObjectFailed: PostgreSQL answered with an error.
	ObjectFailed ObjectState = "Failed"
	// ObjectRefused: it is not done, to protect data.
	ObjectRefused ObjectState = "Refused"
	// ObjectUnlisted: it exists, was managed before and is not listed any more.
	ObjectUnlisted ObjectState = "Unlisted"
)

// AccessReport tells of the roles and databases that deserve attention; those as asked are not in it.
type AccessReport struct {
	Roles     []ObjectReport `json:"roles,omitempty"`
	Databases []ObjectReport `json:"databases,omitempty"`
}

// ObjectReport is one role or database.
type ObjectReport struct {
	Name    string      `json:"name"`
	State   ObjectState `json:"state"`
	Message string      `json:"message"`
}

// Statuses are what an instance knows of itself, and what those of the others told it just now that answer.
type Statuses struct {
	Own    Status   `json:"own"`
	Others []Status `json:"others,omitempty"`
}
