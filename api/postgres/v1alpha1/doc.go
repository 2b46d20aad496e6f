// Package v1alpha1 holds the kinds of the group postgres.timonier.io: what a
// person asks for (the spec) and what Timonier reports (the status).
//
// Conditions and their reasons are constants in conditions.go; every field has a
// row in docs/reference that tells what changing it costs (nothing, a reload, a
// restart, a new pod) and a test over the generated schema holds that.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +groupName=postgres.timonier.io
package v1alpha1
