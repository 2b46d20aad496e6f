package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
)

// PostgresOperation is one act on a cluster, asked for once, and its history: a switchover, a restart, a standby that is cloned
// anew, a forced promotion, or certificates that are issued anew. One runs on a cluster at a time. The last 20 that ended are kept for each cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=pgop,categories={timonier,all},singular=postgresoperation,path=postgresoperations
// +kubebuilder:printcolumn:name="Cluster",type=string,JSONPath=`.spec.clusterRef.name`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.summary.state`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.summary.reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.summary.message`
type PostgresOperation struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec PostgresOperationSpec `json:"spec"`
	// +optional
	Status PostgresOperationStatus `json:"status,omitempty"`
}

// PostgresOperationList is a list of PostgresOperation.
//
// +kubebuilder:object:root=true
type PostgresOperationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PostgresOperation `json:"items"`
}

// OperationType is what is to be done.
// +kubebuilder:validation:Enum=Switchover;Restart;Reinitialize;ForcePromotion;RenewCertificates
type OperationType string

const (
	// OperationSwitchover has the primary hand over to a standby.
	OperationSwitchover OperationType = "Switchover"
	// OperationRestart restarts PostgreSQL in one instance or in all, one after the other.
	OperationRestart OperationType = "Restart"
	// OperationReinitialize throws a standby's data away and clones it anew.
	OperationReinitialize OperationType = "Reinitialize"
	// OperationForcePromotion has an instance lead without the votes that prove that nothing is lost.
	OperationForcePromotion OperationType = "ForcePromotion"
	// OperationRenewCertificates issues the certificates that instances use anew, also where the cluster is left alone.
	OperationRenewCertificates OperationType = "RenewCertificates"
)

// PostgresOperationSpec is what a person asks for, once.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec: an operation is not changed once it is asked for; make another one"
// +kubebuilder:validation:XValidation:rule="self.type == 'Switchover' || !has(self.switchover)",message="switchover: only for type Switchover; set the type, or remove the field"
// +kubebuilder:validation:XValidation:rule="self.type == 'Restart' || !has(self.restart)",message="restart: only for type Restart; set the type, or remove the field"
// +kubebuilder:validation:XValidation:rule="(self.type == 'Reinitialize') == has(self.reinitialize)",message="reinitialize: names the instance for type Reinitialize, and is for no other type"
// +kubebuilder:validation:XValidation:rule="(self.type == 'ForcePromotion') == has(self.forcePromotion)",message="forcePromotion: names the instance and accepts the loss for type ForcePromotion, and is for no other type"
// +kubebuilder:validation:XValidation:rule="!has(self.forcePromotion) || self.forcePromotion.acceptDataLoss == 'I accept that promoting ' + self.forcePromotion.instance + ' loses what ' + self.clusterRef.name + ' acknowledged and it has not received'",message="forcePromotion.acceptDataLoss: write this sentence with the names of instance and cluster: I accept that promoting INSTANCE loses what CLUSTER acknowledged and it has not received",messageExpression="'forcePromotion.acceptDataLoss: write this sentence, if you do: I accept that promoting ' + self.forcePromotion.instance + ' loses what ' + self.clusterRef.name + ' acknowledged and it has not received'"
type PostgresOperationSpec struct {
	// ClusterRef names the PostgresCluster, in the same namespace.
	// +required
	ClusterRef ClusterReference `json:"clusterRef"`

	// Type of the operation; the field of that name says more, where there is more to say.
	// +required
	Type OperationType `json:"type"`

	// +optional
	Switchover *SwitchoverOperation `json:"switchover,omitempty"`
	// +optional
	Restart *RestartOperation `json:"restart,omitempty"`
	// +optional
	Reinitialize *ReinitializeOperation `json:"reinitialize,omitempty"`
	// +optional
	ForcePromotion *ForcePromotionOperation `json:"forcePromotion,omitempty"`

	// TTLSecondsAfterFinished deletes the operation this long after its end; unset keeps it among the last 20 of its cluster.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=31536000
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}

// ClusterReference names a PostgresCluster in the same namespace.
type ClusterReference struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name"`
}

// SwitchoverOperation names who is to lead.
type SwitchoverOperation struct {
	// To is the standby that is to lead; unset leaves the choice to the primary, who takes the one that is furthest.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	To string `json:"to,omitempty"`
}

// RestartOperation names what is restarted.
type RestartOperation struct {
	// Instance to restart; unset restarts all, standbys first. A primary hands over before it is restarted, where there is a standby to hand over to.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Instance string `json:"instance,omitempty"`
}

// ReinitializeOperation names what is cloned anew.
type ReinitializeOperation struct {
	// Instance whose data is thrown away; a standby.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Instance string `json:"instance"`
}

// ForcePromotionOperation names who is to lead at any price.
type ForcePromotionOperation struct {
	// Instance that is to lead.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Instance string `json:"instance"`
	// AcceptDataLoss is the sentence "I accept that promoting INSTANCE loses what CLUSTER acknowledged and it has not received", with the names of both.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=300
	AcceptDataLoss string `json:"acceptDataLoss"`
}

// PostgresOperationStatus is how far the operation is; all that it needs to go on after a restart of the operator.
type PostgresOperationStatus struct {
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions are the only state: Accepted, Running, Succeeded, Failed.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=10
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Summary holds words for columns of `kubectl get`.
	// +optional
	Summary OperationSummary `json:"summary,omitempty"`

	// ClusterUID of the cluster that it was accepted for.
	// +optional
	ClusterUID string `json:"clusterUID,omitempty"`
	// StartedAt is when it was accepted, FinishedAt when it ended.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// ResumedAt is when it last went on, after it had waited for the cluster to be managed again: time limits begin with that.
	// +optional
	ResumedAt *metav1.Time `json:"resumedAt,omitempty"`
	// From is who led when it began, and in which term.
	// +optional
	From *OperationLeader `json:"from,omitempty"`
	// To is who leads since, where that has changed.
	// +optional
	To *OperationLeader `json:"to,omitempty"`
	// RequestedAt is when an instance has taken the present step's request.
	// +optional
	RequestedAt *metav1.Time `json:"requestedAt,omitempty"`

	// Instances that are restarted or cloned, in their order.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=30
	Instances []OperationInstance `json:"instances,omitempty"`

	// Failures of the work on the operation. Their count is written at most once a minute. What fails too often is given up.
	// +optional
	// +listType=map
	// +listMapKey=phase
	// +kubebuilder:validation:MaxItems=30
	Failures []contract.Failure `json:"failures,omitempty"`

	// Promotion is what a forced promotion may have lost.
	// +optional
	Promotion *ForcedPromotion `json:"promotion,omitempty"`
}

// OperationSummary holds words for columns of `kubectl get`.
type OperationSummary struct {
	// State: Pending, Refused, Running, Succeeded or Failed.
	// +optional
	State string `json:"state,omitempty"`
	// +optional
	Reason string `json:"reason,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// OperationLeader is who leads in which term.
type OperationLeader struct {
	// +optional
	Instance string `json:"instance,omitempty"`
	// +optional
	Term int64 `json:"term,omitempty"`
}

// OperationInstanceState is how far one instance is.
// +kubebuilder:validation:Enum=Pending;HandingOver;Restarting;Cloning;Done
type OperationInstanceState string

const (
	// OperationInstancePending is not begun.
	OperationInstancePending OperationInstanceState = "Pending"
	// OperationInstanceHandingOver leads, and hands over before it is restarted.
	OperationInstanceHandingOver OperationInstanceState = "HandingOver"
	// OperationInstanceRestarting is being restarted, or has yet to serve again.
	OperationInstanceRestarting OperationInstanceState = "Restarting"
	// OperationInstanceCloning is being cloned, or has yet to stream.
	OperationInstanceCloning OperationInstanceState = "Cloning"
	// OperationInstanceDone serves again.
	OperationInstanceDone OperationInstanceState = "Done"
)

// OperationInstance is one instance of an operation.
type OperationInstance struct {
	// +required
	Name string `json:"name"`
	// +optional
	State OperationInstanceState `json:"state,omitempty"`
	// Since when it is in this state.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// PostgresStartedAt is when its PostgreSQL was started before the operation, by which a restart is recognised.
	// +optional
	PostgresStartedAt *metav1.MicroTime `json:"postgresStartedAt,omitempty"`
	// Incarnation of its copy of the data before the operation, by which a clone is recognised.
	// +optional
	Incarnation string `json:"incarnation,omitempty"`
}

// ForcedPromotion tells how far the promoted copy was, and how far the former primary, as it was last published. What lies
// between them is lost, and what the former primary acknowledged after that until it learned of it.
type ForcedPromotion struct {
	// Position of the promoted copy, and the term in which that was written.
	// +optional
	Position string `json:"position,omitempty"`
	// +optional
	Term int64 `json:"term,omitempty"`
	// LeaderPosition that the former primary published last, and its term.
	// +optional
	LeaderPosition string `json:"leaderPosition,omitempty"`
	// +optional
	LeaderTerm int64 `json:"leaderTerm,omitempty"`
}
