package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
)

// ManagementStatus is who steers the cluster, and since when.
type ManagementStatus struct {
	// By is where the state was said, as spec.managementState; empty for nowhere, as of the default.
	// +optional
	// +kubebuilder:validation:MaxLength=700
	By string `json:"by,omitempty"`
	// Since when the state is in force.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// HonouredGeneration is the generation of the spec that was last brought into force.
	// +optional
	HonouredGeneration int64 `json:"honouredGeneration,omitempty"`
	// LeftAlone are single children that an override of the Platform names, as Service/shop-rw, or that were handed back and wait for resumePolicy Enforce. The rest
	// of the cluster is managed.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=300
	// +kubebuilder:validation:items:MaxLength=320
	LeftAlone []string `json:"leftAlone,omitempty"`
	// Drift from what Timonier would have, as it was found when the cluster was handed back; at most 100 fields.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Drift []contract.Drift `json:"drift,omitempty"`
	// DriftedFields is how many fields differed.
	// +optional
	DriftedFields int32 `json:"driftedFields,omitempty"`
	// Told is there from when the drift was found and told until what differs is put back, which only a later round does.
	// +optional
	Told *ToldDrift `json:"told,omitempty"`
	// TakenOverFrom is the version of the operator that managed the cluster before this one, while it is left alone in whole or in part.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	TakenOverFrom string `json:"takenOverFrom,omitempty"`
}

// ToldDrift is what is being handed back, and what it was compared with.
type ToldDrift struct {
	// Generation of the spec that it was compared with.
	// +required
	Generation int64 `json:"generation"`
	// Children that are handed back, as Service/shop-rw; empty for the whole cluster.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=300
	// +kubebuilder:validation:items:MaxLength=320
	Children []string `json:"children,omitempty"`
}

// CertificatesStatus tells how long the cluster's certificates last.
type CertificatesStatus struct {
	// ExpiresAt is when the first of those that instances use expires, or the first of the authorities that signed them.
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
	// First names what expires then.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	First string `json:"first,omitempty"`
	// Rotating are the authorities that are being replaced, peer or client. That takes several steps, each of which instances and clients must have taken up
	// before the next.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:MaxLength=32
	Rotating []string `json:"rotating,omitempty"`
	// LeftAlone are Secrets that were to be written, and were not, since an override of the Platform leaves them alone.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=253
	LeftAlone []string `json:"leftAlone,omitempty"`
	// RenewedBy is the UID of the last operation of type RenewCertificates that was carried out.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	RenewedBy string `json:"renewedBy,omitempty"`
}
