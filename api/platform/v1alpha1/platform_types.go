package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SingletonName is the only name that a Platform may have.
const SingletonName = "default"

// Platform holds what applies to every cluster that this operator runs. Without it the operator's built-in defaults apply.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=timonier,shortName=pgplat
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name == 'default'",message="metadata.name: there is one Platform, and its name is default"
type Platform struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec PlatformSpec `json:"spec,omitempty"`
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
}

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
