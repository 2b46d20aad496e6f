package v1alpha1

// ManagementState says who steers a resource.
// +kubebuilder:validation:Enum=Managed;Unmanaged;Removed
type ManagementState string

// Management states.
const (
	// Managed: Timonier makes the resource be as asked.
	Managed ManagementState = "Managed"
	// Unmanaged: hands off. It is observed and reported, and nothing that belongs to it is created, changed or deleted.
	Unmanaged ManagementState = "Unmanaged"
	// Removed: what belongs to the resource is taken away, the resource itself stays.
	Removed ManagementState = "Removed"
)

// ResumePolicy says what happens to what a person has changed, once a resource is handed back.
// +kubebuilder:validation:Enum=Enforce;Report
type ResumePolicy string

// Resume policies.
const (
	// Enforce: it is told, and then put back.
	Enforce ResumePolicy = "Enforce"
	// Report: it is told, and nothing is done until the policy says Enforce.
	Report ResumePolicy = "Report"
)

// Override has Timonier leave something alone: one of its resources with all that belongs to it, or one child object.
//
// +kubebuilder:validation:XValidation:rule="self.kind in ['Pod','Service','Secret','ServiceAccount','PersistentVolumeClaim'] ? size(self.group) == 0 : self.group == (self.kind == 'PostgresCluster' ? 'postgres.timonier.io' : self.kind == 'PodDisruptionBudget' ? 'policy' : self.kind == 'Lease' ? 'coordination.k8s.io' : self.kind == 'EndpointSlice' ? 'discovery.k8s.io' : self.kind in ['Role','RoleBinding'] ? 'rbac.authorization.k8s.io' : self.group)",message="overrides: the kind is not of that group, so that it would leave nothing alone; write postgres.timonier.io for a PostgresCluster, policy for a PodDisruptionBudget, coordination.k8s.io for a Lease, discovery.k8s.io for an EndpointSlice, rbac.authorization.k8s.io for a Role or RoleBinding, and none for Pod, Service, Secret, ServiceAccount and PersistentVolumeClaim"
// +kubebuilder:validation:XValidation:rule="self.kind != 'PostgresOperation' && self.kind != 'Platform'",message="overrides: operations follow their cluster, and the Platform has managementState; name the PostgresCluster, or one of its children"
type Override struct {
	// Kind of the resource or child, as PostgresCluster or Service.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`
	// Group of the kind; empty for the core group, as of a Service.
	// +optional
	// +kubebuilder:default=""
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group"`
	// Namespace that it is in; empty for all namespaces.
	// +optional
	// +kubebuilder:default=""
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// Name of it; empty for all names.
	// +optional
	// +kubebuilder:default=""
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Unmanaged: true has it left alone; false is as good as no entry.
	// +optional
	Unmanaged bool `json:"unmanaged,omitempty"`
}

// Drift is one field of a child that is not as Timonier would have it.
type Drift struct {
	// Kind and name of the child.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Field, as spec.ports[0].port; empty for the child as a whole, which is missing or not wanted; "?" where the API server refused to say.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Field string `json:"field,omitempty"`
	// Found is what is there, cut to a bounded length; empty for nothing. What a Secret holds is not shown: it is "changed".
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Found string `json:"found,omitempty"`
	// Wanted is what Timonier would write; empty for nothing.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Wanted string `json:"wanted,omitempty"`
}
