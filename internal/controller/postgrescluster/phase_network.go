package postgrescluster

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/naming"
)

// +kubebuilder:rbac:groups="",resources=services,verbs=create;patch;delete
// +kubebuilder:rbac:groups=discovery.k8s.io,resources=endpointslices,verbs=get;list;watch;create;patch;update

// ensureServices makes the Services, and the EndpointSlices of those without a selector. What is in the slices
// is the leader's to write.
func (r *Reconciler) ensureServices(ctx context.Context, s *scope) error {
	return r.applyAll(ctx, s, networkObjects(s)...)
}

func networkObjects(s *scope) []runtime.ApplyConfiguration {
	return []runtime.ApplyConfiguration{
		desired.PodsService(s.desired),
		desired.PrimaryService(s.desired),
		desired.ReplicaService(s.desired),
		desired.EndpointSlice(s.desired, naming.PrimaryService(s.cluster.Name)),
		desired.EndpointSlice(s.desired, naming.ReplicaService(s.cluster.Name)),
	}
}

// +kubebuilder:rbac:groups="",resources=serviceaccounts,verbs=create;patch
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=roles;rolebindings,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=get;watch;update

// ensurePermissions lets the instances reach their own Lease and EndpointSlices. What is granted here the operator
// must hold itself: Kubernetes lets nobody give more than they have.
func (r *Reconciler) ensurePermissions(ctx context.Context, s *scope) error {
	return r.applyAll(ctx, s, permissionObjects(s)...)
}

func permissionObjects(s *scope) []runtime.ApplyConfiguration {
	return []runtime.ApplyConfiguration{desired.ServiceAccount(s.desired), desired.Role(s.desired), desired.RoleBinding(s.desired)}
}

// applyAll applies each, and joins what goes wrong: one taken name does not keep the others from being made.
func (r *Reconciler) applyAll(ctx context.Context, s *scope, objects ...runtime.ApplyConfiguration) error {
	var failures error
	for _, object := range objects {
		failures = errors.Join(failures, r.applier().Apply(ctx, s.owner, object))
	}
	return failures
}
