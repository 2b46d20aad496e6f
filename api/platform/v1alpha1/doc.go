// Package v1alpha1 holds the kinds of the group platform.timonier.io: what
// holds for all of a Kubernetes cluster.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +groupName=platform.timonier.io
package v1alpha1
