// Package v1alpha1 holds what kinds of all groups have in common: who steers a resource, and what is kept of what
// keeps failing. It has no kind of its own, and knows none.
//
// +kubebuilder:object:generate=true
package v1alpha1
