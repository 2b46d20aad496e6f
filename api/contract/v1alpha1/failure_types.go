package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Failure counts what one phase of the work on an object failed by, of one generation and for one reason. What is waited for, what a person must act on,
// and what passes (conflicts, timeouts, throttling, connections) is not counted.
type Failure struct {
	// Phase that failed.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Phase string `json:"phase"`
	// Reason in one word.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Reason string `json:"reason"`
	// Message of the last failure.
	// +optional
	// +kubebuilder:validation:MaxLength=1100
	Message string `json:"message,omitempty"`
	// Count of failures in a row.
	// +required
	Count int32 `json:"count"`
	// Panics among them.
	// +optional
	Panics int32 `json:"panics,omitempty"`
	// First and Last are when they were.
	// +required
	First metav1.Time `json:"first"`
	// +required
	Last metav1.Time `json:"last"`
	// Generation of the spec that failed.
	// +required
	Generation int64 `json:"generation"`
}

// Quarantine is that a phase failed too often: it is suspended, with what depends on it, and tried once in a long while.
type Quarantine struct {
	// Phase that is suspended.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Phase string `json:"phase"`
	// Reason that it failed for.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Reason string `json:"reason"`
	// Message of its last failure.
	// +optional
	// +kubebuilder:validation:MaxLength=1100
	Message string `json:"message,omitempty"`
	// Count of failures, with those of attempts since.
	// +required
	Count int32 `json:"count"`
	// Since when.
	// +required
	Since metav1.Time `json:"since"`
	// Attempts that were made since, each of which failed.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`
	// NextAttempt is when it is tried again without anybody asking.
	// +required
	NextAttempt metav1.Time `json:"nextAttempt"`
	// Trying: it is being tried again. One more failure puts it back, for twice as long; success ends it.
	// +optional
	Trying bool `json:"trying,omitempty"`
	// Generation, operator's version and referenced Secrets and ConfigMaps (as a hash) that it failed with: another one of these is a reason to try again.
	// +required
	Generation int64 `json:"generation"`
	// +optional
	// +kubebuilder:validation:MaxLength=128
	OperatorVersion string `json:"operatorVersion,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxLength=64
	References string `json:"references,omitempty"`
}

// FailureStatus is what is remembered of failures over restarts of the operator.
type FailureStatus struct {
	// Failures by phase. Their counts are written at most once a minute.
	// +optional
	// +listType=map
	// +listMapKey=phase
	// +kubebuilder:validation:MaxItems=30
	Failures []Failure `json:"failures,omitempty"`
	// Quarantine of phases.
	// +optional
	// +listType=map
	// +listMapKey=phase
	// +kubebuilder:validation:MaxItems=30
	Quarantine []Quarantine `json:"quarantine,omitempty"`
	// Released is the token of the last release that was asked for by annotation and carried out.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Released string `json:"released,omitempty"`
}
