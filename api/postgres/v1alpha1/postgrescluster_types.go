package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
)

// PostgresCluster is one PostgreSQL system: a primary and its standbys, their
// volumes, the addresses at which applications reach them, and the roles and
// databases in them.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=pgc,categories={timonier,all},singular=postgrescluster,path=postgresclusters
// +kubebuilder:printcolumn:name="Team",type=string,JSONPath=`.spec.team`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Instances",type=string,JSONPath=`.status.summary.instances`
// +kubebuilder:printcolumn:name="Volume",type=string,JSONPath=`.spec.storage.size`
// +kubebuilder:printcolumn:name="CPU",type=string,JSONPath=`.spec.resources.requests.cpu`
// +kubebuilder:printcolumn:name="Memory",type=string,JSONPath=`.spec.resources.requests.memory`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 40",message="metadata.name: at most 40 characters, since pods, volumes and services add their own endings to it; choose a shorter name"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name: use lower-case letters, digits and hyphens, beginning with a letter; it becomes part of host names"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.removalConfirmation) || self.spec.removalConfirmation == self.metadata.name",message="spec.removalConfirmation: type the name of this cluster, as in metadata.name, or remove the field"
type PostgresCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec PostgresClusterSpec `json:"spec"`
	// +optional
	Status PostgresClusterStatus `json:"status,omitempty"`
}

// PostgresClusterList is a list of PostgresCluster.
//
// +kubebuilder:object:root=true
type PostgresClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PostgresCluster `json:"items"`
}

// PostgresClusterSpec is what a person asks for.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.managementState) && self.managementState == 'Removed' && has(self.removalConfirmation) && has(oldSelf.removalConfirmation) && !(has(oldSelf.managementState) && oldSelf.managementState == 'Removed'))",message="removalConfirmation: it was typed for another removal; remove the field first, and type it again for this one"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.storage.wal) || has(self.storage.wal)",message="storage.wal: a WAL volume cannot be taken away from a running cluster; restore the field"
// +kubebuilder:validation:XValidation:rule="has(oldSelf.storage.wal) || !has(self.storage.wal)",message="storage.wal: a WAL volume cannot be added to a running cluster; make a new cluster with one and move the data"
// +kubebuilder:validation:XValidation:rule="int(self.version) >= int(oldSelf.version)",message="version: PostgreSQL cannot go back to an older major version; restore the former value"
// +kubebuilder:validation:XValidation:rule="int(self.version) <= int(oldSelf.version)",message="version: an upgrade to another major version in place is not possible yet; make a new cluster of that version and move the data"
// +kubebuilder:validation:XValidation:rule="!has(self.availability) || !has(self.availability.synchronousStandbys) || !has(self.instances) || self.instances == 0 || self.availability.synchronousStandbys < self.instances",message="availability.synchronousStandbys: there are fewer standbys than that (one less than instances); lower it, raise instances, or remove it to have half of the instances"
type PostgresClusterSpec struct {
	// ManagementState says who steers the cluster. Managed (the default): Timonier. Unmanaged: hands off; the cluster is observed and reported, its
	// instances go on failing over by themselves, and nothing that belongs to it is created, changed or deleted. Removed: pods, services and all else go,
	// volumes as storage.retentionPolicy.whenDeleted says, once removalConfirmation has the cluster's name.
	// +optional
	ManagementState contract.ManagementState `json:"managementState,omitempty"`

	// RemovalConfirmation is the cluster's name, typed by the person who wants it Removed.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	RemovalConfirmation string `json:"removalConfirmation,omitempty"`

	// ResumePolicy says what happens to what a person has changed when the cluster is handed back: Enforce (the default) tells it and puts it back,
	// Report tells it and does nothing until the policy says Enforce.
	// +optional
	ResumePolicy contract.ResumePolicy `json:"resumePolicy,omitempty"`

	// Team that the cluster belongs to: shown in lists, and a label on every child.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$')",message="team: letters, digits, hyphens, underscores and dots, beginning and ending with a letter or digit; it becomes a label"
	Team string `json:"team,omitempty"`

	// Version is the major version of PostgreSQL. Which image serves it is told by the
	// Platform's catalogue, unless image is set.
	// +required
	// +kubebuilder:validation:Enum="15";"17"
	Version string `json:"version"`

	// Image with the PostgreSQL programs of this version, in place of the one in the
	// Platform's catalogue. A changed image is rolled through the cluster, standbys first.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:MinLength=1
	Image string `json:"image,omitempty"`

	// ImagePullSecrets are Secrets of this namespace with which images are pulled.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=10
	ImagePullSecrets []SecretReference `json:"imagePullSecrets,omitempty"`

	// Instances is the number of PostgreSQL servers: one primary, the others standbys.
	// 0 hibernates: no pods, volumes kept.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9
	Instances *int32 `json:"instances,omitempty"`

	// +required
	Storage Storage `json:"storage"`

	// Resources of the PostgreSQL container.
	// +optional
	Resources Resources `json:"resources,omitempty"`

	// Parameters of PostgreSQL. What Timonier manages itself, and what would break
	// durability, is refused; docs/reference/parameters.md has the list.
	// +optional
	// +kubebuilder:validation:MaxProperties=200
	Parameters map[string]intstr.IntOrString `json:"parameters,omitempty"`

	// HBA are lines of pg_hba.conf, placed before the last line that admits every
	// user over TLS with a SCRAM password.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	// +kubebuilder:validation:items:XValidation:rule="!self.contains('\\n') && !self.contains('\\r')",message="hba: one line each; write a second line as a second entry"
	HBA []string `json:"hba,omitempty"`

	// +optional
	Scheduling Scheduling `json:"scheduling,omitempty"`

	// Roles of PostgreSQL. Without roles and databases a role `app` is made that owns a database `app`.
	// An entry taken off the list is left alone in PostgreSQL and reported.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=200
	Roles []Role `json:"roles,omitempty"`

	// Databases of PostgreSQL. An entry taken off the list is left alone and reported.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=200
	Databases []Database `json:"databases,omitempty"`

	// Availability: how many copies a commit waits for, and when a primary counts as lost.
	// +optional
	Availability Availability `json:"availability,omitempty"`

	// +optional
	Services Services `json:"services,omitempty"`

	// Metadata is added to every child object.
	// +optional
	Metadata ChildMetadata `json:"metadata,omitempty"`
}

// SecretReference names a Secret in the cluster's namespace.
type SecretReference struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// Storage of each instance.
type Storage struct {
	Volume `json:",inline"`

	// WAL is a volume of its own for the write-ahead log of each instance.
	// +optional
	WAL *Volume `json:"wal,omitempty"`

	// +optional
	RetentionPolicy RetentionPolicy `json:"retentionPolicy,omitempty"`
}

// Volume of one instance.
//
// +kubebuilder:validation:XValidation:rule="quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) >= 0",message="size: a volume cannot shrink; restore the former size, or make a new cluster with smaller volumes and move the data"
// +kubebuilder:validation:XValidation:rule="has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",message="storageClassName: the class of an existing volume cannot change; restore the former value"
// +kubebuilder:validation:XValidation:rule="quantity(string(self.size)).compareTo(quantity('300Mi')) >= 0",message="size: at least 300Mi, for an empty PostgreSQL with its write-ahead log"
type Volume struct {
	// Size of the volume. It can grow, never shrink.
	// +required
	Size resource.Quantity `json:"size"`

	// StorageClassName, or the default storage class of the Kubernetes cluster.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	StorageClassName *string `json:"storageClassName,omitempty"`
}

// VolumeRetention tells what becomes of a volume that is no longer used.
// +kubebuilder:validation:Enum=Retain;Delete
type VolumeRetention string

const (
	// RetainVolume keeps the volume with its data.
	RetainVolume VolumeRetention = "Retain"
	// DeleteVolume deletes the volume with its data.
	DeleteVolume VolumeRetention = "Delete"
)

// RetentionPolicy of volumes; both are Retain unless said otherwise.
type RetentionPolicy struct {
	// WhenDeleted: what becomes of the volumes when the cluster is deleted.
	// +optional
	// +kubebuilder:default=Retain
	WhenDeleted VolumeRetention `json:"whenDeleted,omitempty"`
	// WhenScaled: what becomes of an instance's volumes when it is scaled away.
	// +optional
	// +kubebuilder:default=Retain
	WhenScaled VolumeRetention `json:"whenScaled,omitempty"`
}

// Resources are requests and limits of CPU and memory.
//
// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.limits) || self.requests.all(k, !(k in self.limits) || quantity(string(self.requests[k])).compareTo(quantity(string(self.limits[k]))) <= 0)",message="resources: a request is greater than its limit; raise the limit, or lower the request"
type Resources struct {
	// +optional
	// +kubebuilder:validation:MaxProperties=6
	Requests corev1.ResourceList `json:"requests,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxProperties=6
	Limits corev1.ResourceList `json:"limits,omitempty"`
}

// AntiAffinityType tells how strictly instances are kept apart.
// +kubebuilder:validation:Enum=Preferred;Required;Disabled
type AntiAffinityType string

const (
	// AntiAffinityPreferred spreads instances where it can be done.
	AntiAffinityPreferred AntiAffinityType = "Preferred"
	// AntiAffinityRequired never puts two instances into one topology domain.
	AntiAffinityRequired AntiAffinityType = "Required"
	// AntiAffinityDisabled does not care.
	AntiAffinityDisabled AntiAffinityType = "Disabled"
)

// Scheduling tells on which nodes instances may run. A change re-creates the pods, standbys first.
type Scheduling struct {
	// +optional
	// +kubebuilder:validation:MaxProperties=50
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// +optional
	NodeAffinity *corev1.NodeAffinity `json:"nodeAffinity,omitempty"`
	// +optional
	AntiAffinity AntiAffinity `json:"antiAffinity,omitempty"`
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// TopologySpreadConstraints of the instances; without a labelSelector the instances of this cluster are counted.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`
}

// AntiAffinity between the instances of one cluster.
type AntiAffinity struct {
	// +optional
	// +kubebuilder:default=Preferred
	Type AntiAffinityType `json:"type,omitempty"`
	// +optional
	// +kubebuilder:default="kubernetes.io/hostname"
	// +kubebuilder:validation:MaxLength=316
	TopologyKey string `json:"topologyKey,omitempty"`
}

// Services at which applications reach the cluster.
type Services struct {
	// Primary is the Service `<cluster>-rw`.
	// +optional
	Primary ServiceTemplate `json:"primary,omitempty"`
	// Replicas is the Service `<cluster>-ro`: standbys, or the primary where there are none.
	// +optional
	Replicas ServiceTemplate `json:"replicas,omitempty"`
}

// ServiceTemplate tells how a Service is exposed.
//
// +kubebuilder:validation:XValidation:rule="self.type == 'LoadBalancer' || !has(self.loadBalancerSourceRanges) || size(self.loadBalancerSourceRanges) == 0",message="loadBalancerSourceRanges: only for type LoadBalancer; set the type, or remove the ranges"
// +kubebuilder:validation:XValidation:rule="self.type == 'LoadBalancer' || !has(self.loadBalancerClass)",message="loadBalancerClass: only for type LoadBalancer; set the type, or remove the class"
// +kubebuilder:validation:XValidation:rule="self.type != 'ClusterIP' || !has(self.externalTrafficPolicy)",message="externalTrafficPolicy: only for type LoadBalancer or NodePort; set the type, or remove the policy"
type ServiceTemplate struct {
	// +optional
	// +kubebuilder:default=ClusterIP
	// +kubebuilder:validation:Enum=ClusterIP;NodePort;LoadBalancer
	Type corev1.ServiceType `json:"type,omitempty"`
	// Annotations of the Service, for load-balancer controllers and external-dns.
	// +optional
	// +kubebuilder:validation:MaxProperties=50
	Annotations map[string]string `json:"annotations,omitempty"`
	// LoadBalancerSourceRanges from which clients are admitted, as CIDR; none admits all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=43
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self)",message="loadBalancerSourceRanges: write each range as CIDR, for example 10.0.0.0/8"
	LoadBalancerSourceRanges []string `json:"loadBalancerSourceRanges,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxLength=253
	LoadBalancerClass *string `json:"loadBalancerClass,omitempty"`
	// +optional
	// +kubebuilder:validation:Enum=Cluster;Local
	ExternalTrafficPolicy *corev1.ServiceExternalTrafficPolicy `json:"externalTrafficPolicy,omitempty"`
	// Hostnames under which clients reach this Service; the server certificate carries them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="hostnames: write each as a DNS name in lower case, for example db.example.org, without port or scheme"
	Hostnames []string `json:"hostnames,omitempty"`
}

// ChildMetadata is added to every child object.
//
// +kubebuilder:validation:XValidation:rule="!has(self.labels) || self.labels.all(k, !k.startsWith('timonier.io/') && !k.startsWith('app.kubernetes.io/'))",message="labels: timonier.io/… and app.kubernetes.io/… are set by Timonier; choose another key"
// +kubebuilder:validation:XValidation:rule="!has(self.annotations) || self.annotations.all(k, !k.startsWith('timonier.io/'))",message="annotations: timonier.io/… are set by Timonier; choose another key"
type ChildMetadata struct {
	// +optional
	// +kubebuilder:validation:MaxProperties=50
	Labels map[string]string `json:"labels,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxProperties=50
	Annotations map[string]string `json:"annotations,omitempty"`
}
