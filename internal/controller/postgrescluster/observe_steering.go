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
	"github.com/timonier-io/timonier/internal/reconcile/management"
)

// resource is the cluster as overrides may name it.
func (s *scope) resource() management.Resource {
	return management.Resource{Group: v1alpha1.GroupVersion.Group, Kind: kind, Namespace: s.cluster.Namespace, Name: s.cluster.Name}
}

// steeringFacts of what was observed. Children that are not there yet are among those left alone: an override of what is to be made counts, too.
func (s *scope) steeringFacts(version string) steeringFacts {
	var overridden []string
	for _, child := range s.children() {
		if management.LeftAlone(child, s.observed.platform.Overrides) != "" {
			overridden = append(overridden, childName(child))
		}
	}
	s.leftAlone = overridden
	return steeringFacts{
		resource: s.resource(), spec: s.cluster.Spec, platform: wheel.Says(s.observed.platform), former: s.cluster.Status.ManagementState,
		formerBy: s.cluster.Status.Management.By,
		last:     s.cluster.Status.OperatorVersion, before: s.cluster.Status.Management.TakenOverFrom, version: version, leftAlone: overridden,
		held: s.heldBefore(),
	}
}

// heldBefore are children that were handed back, and stay as they are since what differs was only to be reported.
func (s *scope) heldBefore() []string {
	told := s.cluster.Status.Management.Told
	if told == nil || !s.reportsOnly() {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(told.Children), func(name string) bool { return !slices.Contains(s.cluster.Status.Management.LeftAlone, name) })
}

// observeReferences notes what the Secrets that the spec names are like, once something fails: a change of theirs after it came into quarantine is a reason
// to try it again.
func (r *Reconciler) observeReferences(ctx context.Context, s *scope) error {
	if len(s.cluster.Status.Failures)+len(s.cluster.Status.Quarantine) == 0 {
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
