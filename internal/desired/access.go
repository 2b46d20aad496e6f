package desired

import (
	rbacv1 "k8s.io/api/rbac/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	rbacv1ac "k8s.io/client-go/applyconfigurations/rbac/v1"

	"github.com/timonier-io/timonier/internal/naming"
)

// ServiceAccount of the instances.
func ServiceAccount(c Cluster) *corev1ac.ServiceAccountApplyConfiguration {
	return corev1ac.ServiceAccount(naming.ServiceAccount(c.Name), c.Namespace).
		WithLabels(c.labels(nil)).WithAnnotations(c.annotations(nil)).WithOwnerReferences(c.owner()).
		// The token is mounted where it is used, in the instance's pod.
		WithAutomountServiceAccountToken(false)
}

// Role of the instances: their own cluster's Lease and EndpointSlices, by name, and nothing else. They may not
// create: RBAC cannot restrict that by name, so the operator creates.
func Role(c Cluster) *rbacv1ac.RoleApplyConfiguration {
	return rbacv1ac.Role(naming.ServiceAccount(c.Name), c.Namespace).
		WithLabels(c.labels(nil)).WithAnnotations(c.annotations(nil)).WithOwnerReferences(c.owner()).
		WithRules(
			rbacv1ac.PolicyRule().WithAPIGroups("coordination.k8s.io").WithResources("leases").
				WithResourceNames(naming.Lease(c.Name)).WithVerbs("get", "watch", "update"),
			rbacv1ac.PolicyRule().WithAPIGroups("discovery.k8s.io").WithResources("endpointslices").
				WithResourceNames(naming.PrimaryService(c.Name), naming.ReplicaService(c.Name)).
				WithVerbs("get", "watch", "update"),
		)
}

// RoleBinding gives the instances their Role.
func RoleBinding(c Cluster) *rbacv1ac.RoleBindingApplyConfiguration {
	name := naming.ServiceAccount(c.Name)
	return rbacv1ac.RoleBinding(name, c.Namespace).
		WithLabels(c.labels(nil)).WithAnnotations(c.annotations(nil)).WithOwnerReferences(c.owner()).
		WithRoleRef(rbacv1ac.RoleRef().WithAPIGroup(rbacv1.GroupName).WithKind("Role").WithName(name)).
		WithSubjects(rbacv1ac.Subject().WithKind(rbacv1.ServiceAccountKind).WithName(name).WithNamespace(c.Namespace))
}
