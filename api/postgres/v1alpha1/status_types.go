package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
)

// PostgresClusterStatus is what Timonier reports. The controller writes it, in one place.
type PostgresClusterStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions are the only state: Ready, Available, Synchronous, Managed, Reconciling, Stalled, Degraded, Quarantined, RemovePending.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=20
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// SystemIdentifier of PostgreSQL, recorded once a system was created; from then on no other is.
	// +optional
	SystemIdentifier string `json:"systemIdentifier,omitempty"`

	// Summary holds words for columns of `kubectl get`.
	// +optional
	Summary Summary `json:"summary,omitzero"`

	// Primary is the name of the instance that leads.
	// +optional
	Primary string `json:"primary,omitempty"`

	// Availability is who leads, by what rules, and how that came about.
	// +optional
	Availability *AvailabilityStatus `json:"availability,omitempty"`

	// Instances, each with its role and state.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=30
	Instances []InstanceStatus `json:"instances,omitempty"`

	// Image that the cluster uses, and what was found in it.
	// +optional
	Image *ImageStatus `json:"image,omitempty"`

	// Roles that are not as asked, or no longer listed.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=300
	Roles []ObjectStatus `json:"roles,omitempty"`

	// Databases that are not as asked, or no longer listed.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=300
	Databases []ObjectStatus `json:"databases,omitempty"`

	// Parameters that were refused, with the revision they came in.
	// +optional
	RejectedParameters *RejectedParameters `json:"rejectedParameters,omitempty"`

	// ManagementState that is in force, by the most restrictive of what the Platform, its overrides and the spec say.
	// +optional
	ManagementState contract.ManagementState `json:"managementState,omitempty"`

	// Management is who said so, since when, and what was found to differ.
	// +optional
	Management ManagementStatus `json:"management,omitzero"`

	// OperatorVersion is that of the operator that managed the cluster last.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	OperatorVersion string `json:"operatorVersion,omitempty"`

	// Certificates tells how long they last.
	// +optional
	Certificates CertificatesStatus `json:"certificates,omitzero"`

	// Failures by phase of the work on the cluster. Their counts are written at most once a minute.
	// +optional
	// +listType=map
	// +listMapKey=phase
	// +kubebuilder:validation:MaxItems=30
	Failures []contract.Failure `json:"failures,omitempty"`

	// Quarantine has the phases that failed too often and are suspended.
	// +optional
	// +listType=map
	// +listMapKey=phase
	// +kubebuilder:validation:MaxItems=30
	Quarantine []contract.Quarantine `json:"quarantine,omitempty"`

	// Released is the value of the annotation timonier.io/release that was carried out last.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Released string `json:"released,omitempty"`

	// LoadBalancers are the addresses under which clients outside reach the Services.
	// +optional
	LoadBalancers LoadBalancers `json:"loadBalancers,omitzero"`
}

// Summary holds words for columns of `kubectl get`.
type Summary struct {
	// Instances that are ready, of those asked for: "3/3".
	// +optional
	Instances string `json:"instances,omitempty"`
}

// InstanceRole is what an instance does.
// +kubebuilder:validation:Enum=Primary;Standby;None
type InstanceRole string

const (
	// RolePrimary takes writes.
	RolePrimary InstanceRole = "Primary"
	// RoleStandby follows the primary.
	RoleStandby InstanceRole = "Standby"
	// RoleNone does neither, yet.
	RoleNone InstanceRole = "None"
)

// UsualLagBytes is how far a standby may be behind without that being news: one segment of WAL. Beyond, a lag is written anew when it has doubled or halved.
const UsualLagBytes int64 = 16 << 20

// InstanceStatus is one instance as last seen. Positions and lags are as of the last change of a state, or a minute old while no instance leads: live
// values are in the metrics.
type InstanceStatus struct {
	// +required
	Name string `json:"name"`
	// +optional
	Role InstanceRole `json:"role,omitempty"`
	// State in one word: Pending, Starting, Waiting, Bootstrapping, Cloning, Rewinding, Recovering, Running, Streaming, Following,
	// Restarting, Stopping, Failed or Unreachable. docs/reference/states.md explains each.
	// +optional
	State string `json:"state,omitempty"`
	// Message tells why, where State alone does not.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
	// +optional
	Ready bool `json:"ready,omitempty"`
	// +optional
	Node string `json:"node,omitempty"`
	// +optional
	Timeline int64 `json:"timeline,omitempty"`
	// Position in the write-ahead log when the status was last written: it is no reason to write it, but where no instance leads, once a minute.
	// +optional
	Position string `json:"position,omitempty"`
	// LagBytes is how far a standby's flushed position was behind the primary when the status was last written, which it is when
	// the lag, beyond 16 MiB, has doubled or halved.
	// +optional
	LagBytes *int64 `json:"lagBytes,omitempty"`
	// Restarts of the pod's container since the pod was made.
	// +optional
	Restarts int32 `json:"restarts,omitempty"`
	// CreatedAt is when the pod was made.
	// +optional
	CreatedAt *metav1.Time `json:"createdAt,omitempty"`
	// Image that the container runs, with its digest where Kubernetes tells it.
	// +optional
	Image string `json:"image,omitempty"`
	// PendingRestart are the parameters that wait for a restart.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	PendingRestart []string `json:"pendingRestart,omitempty"`
	// VolumeSize that the instance has; it grows online.
	// +optional
	VolumeSize *resource.Quantity `json:"volumeSize,omitempty"`
}

// ImageStatus is an image and what was found in it.
type ImageStatus struct {
	// +required
	Reference string `json:"reference"`
	// Version that `postgres --version` in the image told.
	// +optional
	Version string `json:"version,omitempty"`
}

// ObjectStatus is a role or database that deserves attention.
type ObjectStatus struct {
	// +required
	Name string `json:"name"`
	// State: Failed, Refused or Unlisted.
	// +required
	State string `json:"state"`
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// RejectedParameters is a configuration that an instance did not accept; the former one is in force.
type RejectedParameters struct {
	// Revision of the rejected configuration.
	// +required
	Revision string `json:"revision"`
	// Instance that refused.
	// +required
	Instance string `json:"instance"`
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message"`
}

// LoadBalancers are addresses outside the Kubernetes cluster.
type LoadBalancers struct {
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Primary []string `json:"primary,omitempty"`
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Replicas []string `json:"replicas,omitempty"`
}
