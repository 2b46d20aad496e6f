package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
)

// SingletonName is the only name that a Platform may have.
const SingletonName = "default"

// Platform holds what applies to every cluster that this operator runs. Without it the operator's built-in defaults apply.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories=timonier,shortName=pgplat
// +kubebuilder:printcolumn:name="Upgradeable",type=string,JSONPath=`.status.conditions[?(@.type=="Upgradeable")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Upgradeable")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name == 'default'",message="metadata.name: there is one Platform, and its name is default"
type Platform struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec PlatformSpec `json:"spec,omitempty"`
	// +optional
	Status PlatformStatus `json:"status,omitzero"`
}

// PlatformList is a list of Platform.
//
// +kubebuilder:object:root=true
type PlatformList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Platform `json:"items"`
}

// PlatformSpec is what a platform team decides for all.
type PlatformSpec struct {
	// PostgresImages is the catalogue: which image serves which major version of PostgreSQL.
	// A changed entry is rolled through every cluster that uses it, standbys first.
	// +optional
	// +listType=map
	// +listMapKey=version
	// +kubebuilder:validation:MaxItems=10
	PostgresImages []CatalogueImage `json:"postgresImages,omitempty"`

	// ManagementState of all that this operator runs: the most restrictive of this, of a resource's own and of overrides counts. Removed is for single
	// clusters alone.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self != 'Removed'",message="managementState: only single clusters can be Removed, by their own spec; use Managed or Unmanaged"
	ManagementState contract.ManagementState `json:"managementState,omitempty"`

	// Overrides leave single resources, or single children of them, alone. They prevent upgrades of the operator.
	// +optional
	// +listType=map
	// +listMapKey=kind
	// +listMapKey=group
	// +listMapKey=namespace
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=200
	Overrides []contract.Override `json:"overrides,omitempty"`

	// MaxRetries is after how many failures of the same generation, for the same reason, something goes into quarantine; 10 where unset.
	// +optional
	// +kubebuilder:validation:Minimum=3
	// +kubebuilder:validation:Maximum=1000
	MaxRetries *int32 `json:"maxRetries,omitempty"`

	// QuarantineAfterSeconds is over how long those failures must have gone on; 600 where unset.
	// +optional
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=86400
	QuarantineAfterSeconds *int32 `json:"quarantineAfterSeconds,omitempty"`
}

// PlatformStatus is what the operator reports of itself and of what prevents its upgrade.
type PlatformStatus struct {
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// OperatorVersion that runs.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	OperatorVersion string `json:"operatorVersion,omitempty"`
	// Conditions: Upgradeable, and Degraded while most resources of a kind fail for the same reason.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=10
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Blocking are the resources and overrides that prevent an upgrade; at most 100.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=700
	Blocking []string `json:"blocking,omitempty"`
}

// Condition types of the Platform, and their reasons.
const (
	// ConditionUpgradeable is False while something that is left alone prevents an upgrade of the operator.
	ConditionUpgradeable = "Upgradeable"
	// ConditionDegraded is True while most resources of a kind fail for the same reason, else absent: the fault is not theirs.
	ConditionDegraded = "Degraded"
	// ReasonManagementOverridesSet: resources or overrides keep the operator's hands off something.
	ReasonManagementOverridesSet = "ManagementOverridesSet"
	// ReasonNothingBlocks: all is managed.
	ReasonNothingBlocks = "NothingBlocks"
	// ReasonSharedFailure: most resources of a kind fail for the same reason.
	ReasonSharedFailure = "SharedFailure"
)

// CatalogueImage serves one major version.
type CatalogueImage struct {
	// Version is the major version of PostgreSQL.
	// +required
	// +kubebuilder:validation:Enum="15";"17"
	Version string `json:"version"`
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image"`
}
