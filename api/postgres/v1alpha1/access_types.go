package v1alpha1

// Ensure tells whether something is to exist.
// +kubebuilder:validation:Enum=Present;Absent
type Ensure string

const (
	// EnsurePresent creates or alters it.
	EnsurePresent Ensure = "Present"
	// EnsureAbsent drops it.
	EnsureAbsent Ensure = "Absent"
)

// Role of PostgreSQL that is created and altered. Its connection Secret is `<cluster>-<role>`, with underscores as hyphens.
//
// +kubebuilder:validation:XValidation:rule="!(self.name in ['postgres','timonier_replication','timonier_monitor']) && !self.name.startsWith('pg_') && !self.name.startsWith('timonier_')",message="name: postgres, pg_… and timonier_… are kept for PostgreSQL and Timonier; choose another name"
type Role struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z_][a-z0-9_-]*$')",message="name: use lower-case letters, digits, underscores and hyphens, beginning with a letter or underscore"
	Name string `json:"name"`
	// Ensure that the role is Present, or Absent. A role that owns objects is not dropped: the objects are listed instead.
	// +optional
	// +kubebuilder:default=Present
	Ensure Ensure `json:"ensure,omitempty"`
	// Login: whether the role may log in; true unless said otherwise.
	// +optional
	// +kubebuilder:default=true
	Login *bool `json:"login,omitempty"`
	// +optional
	CreateDB bool `json:"createDB,omitempty"`
	// +optional
	CreateRole bool `json:"createRole,omitempty"`
	// Replication allows logical replication from a client; physical replication is Timonier's own.
	// +optional
	Replication bool `json:"replication,omitempty"`
	// +optional
	BypassRLS bool `json:"bypassRLS,omitempty"`
	// Inherit: whether the role has the rights of those it is a member of without SET ROLE; true unless said otherwise.
	// +optional
	// +kubebuilder:default=true
	Inherit *bool `json:"inherit,omitempty"`
	// ConnectionLimit of the role; -1 means no limit.
	// +optional
	// +kubebuilder:default=-1
	// +kubebuilder:validation:Minimum=-1
	// +kubebuilder:validation:Maximum=10000
	ConnectionLimit *int32 `json:"connectionLimit,omitempty"`
	// MemberOf are the roles that this one is a member of. Memberships that are not listed are revoked.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:MinLength=1
	MemberOf []string `json:"memberOf,omitempty"`
	// PasswordSecretRef names a Secret whose key `password` is the role's password. Without it Timonier makes one.
	// +optional
	PasswordSecretRef *SecretReference `json:"passwordSecretRef,omitempty"`
}

// Database of PostgreSQL that is created and altered.
//
// +kubebuilder:validation:XValidation:rule="!(self.name in ['postgres','template0','template1'])",message="name: postgres, template0 and template1 belong to PostgreSQL; choose another name"
// +kubebuilder:validation:XValidation:rule="!has(self.ensure) || self.ensure != 'Present' || has(self.owner)",message="owner: name the role that owns the database"
// +kubebuilder:validation:XValidation:rule="!has(self.confirmDataLoss) || self.confirmDataLoss == self.name",message="confirmDataLoss: repeat the database's name, or remove the field"
type Database struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z_][a-z0-9_-]*$')",message="name: use lower-case letters, digits, underscores and hyphens, beginning with a letter or underscore"
	Name string `json:"name"`
	// Ensure that the database is Present, or Absent. One that holds data is dropped only with confirmDataLoss.
	// +optional
	// +kubebuilder:default=Present
	Ensure Ensure `json:"ensure,omitempty"`
	// ConfirmDataLoss repeats the database's name to allow that it is dropped with the data in it.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	ConfirmDataLoss string `json:"confirmDataLoss,omitempty"`
	// Owner is the role that owns the database.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Owner string `json:"owner,omitempty"`
	// Extensions that are created in the database. One taken off the list is left alone.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[a-zA-Z0-9_-]+$')",message="extensions: use the extension's name alone, letters, digits, underscores and hyphens"
	Extensions []string `json:"extensions,omitempty"`
}
