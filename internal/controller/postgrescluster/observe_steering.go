package postgrescluster

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/wheel"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/reconcile/management"
)

// resource is the cluster as overrides may name it.
func (s *scope) resource() management.Resource {
	return management.Resource{Group: v1alpha1.GroupVersion.Group, Kind: kind, Namespace: s.cluster.Namespace, Name: s.cluster.Name}
}

func (s *scope) steeringFacts(version string) steeringFacts {
	platform := wheel.Says(s.observed.platform)
	var leftAlone []string
	for _, child := range s.children() {
		if management.LeftAlone(child, platform.Overrides) != "" {
			leftAlone = append(leftAlone, child.Kind+"/"+child.Name)
		}
	}
	s.leftAlone = leftAlone
	return steeringFacts{
		resource: s.resource(), spec: s.cluster.Spec, platform: platform, former: s.cluster.Status.ManagementState,
		last: s.cluster.Status.OperatorVersion, version: version, leftAlone: leftAlone,
	}
}

// children that there are, or are to be, as overrides may name them.
func (s *scope) children() []management.Resource {
	name := s.cluster.Name
	all := []management.Resource{
		{Kind: "Service", Name: naming.PodsService(name)}, {Kind: "Service", Name: naming.PrimaryService(name)}, {Kind: "Service", Name: naming.ReplicaService(name)},
		{Group: "discovery.k8s.io", Kind: "EndpointSlice", Name: naming.PrimaryService(name)}, {Group: "discovery.k8s.io", Kind: "EndpointSlice", Name: naming.ReplicaService(name)},
		{Group: "coordination.k8s.io", Kind: "Lease", Name: naming.Lease(name)}, {Group: "policy", Kind: "PodDisruptionBudget", Name: naming.DisruptionBudget(name)},
		{Kind: "ServiceAccount", Name: naming.ServiceAccount(name)},
		{Group: "rbac.authorization.k8s.io", Kind: "Role", Name: naming.ServiceAccount(name)}, {Group: "rbac.authorization.k8s.io", Kind: "RoleBinding", Name: naming.ServiceAccount(name)},
	}
	for _, pod := range sortedKeys(s.observed.pods) {
		all = append(all, management.Resource{Kind: "Pod", Name: pod})
	}
	for _, claim := range sortedKeys(s.observed.claims) {
		all = append(all, management.Resource{Kind: "PersistentVolumeClaim", Name: claim})
	}
	for _, secret := range sortedKeys(s.observed.secrets) {
		all = append(all, management.Resource{Kind: "Secret", Name: secret})
	}
	for i := range all {
		all[i].Namespace = s.cluster.Namespace
	}
	return slices.Clip(all)
}

// observeReferences notes what the Secrets that the spec names are like, once something is in quarantine: a change of theirs is a reason to try it again.
func (r *Reconciler) observeReferences(ctx context.Context, s *scope) error {
	if len(s.cluster.Status.Quarantine) == 0 {
		return nil
	}
	var names []string
	for _, reference := range s.cluster.Spec.ImagePullSecrets {
		names = append(names, reference.Name)
	}
	for _, role := range s.cluster.Spec.Roles {
		if role.PasswordSecretRef != nil {
			names = append(names, role.PasswordSecretRef.Name)
		}
	}
	s.due(s.now.Add(givenSecretsEvery)) // they are not watched
	var versions []string
	for _, name := range names {
		secret := &metav1.PartialObjectMetadata{}
		secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		if err := r.Live.Get(ctx, s.key(name), secret); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("secret %s: %w", name, err)
		}
		versions = append(versions, name, string(secret.UID), secret.ResourceVersion)
	}
	s.referenced = digest(versions)
	return nil
}
