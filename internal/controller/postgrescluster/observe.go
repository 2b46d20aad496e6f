package postgrescluster

import (
	"context"
	"fmt"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/controller/wheel"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/naming"
)

// +kubebuilder:rbac:groups="",resources=pods;persistentvolumeclaims;secrets;services;serviceaccounts,verbs=get;list;watch
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=get;list;watch

// observe reads all that the phases decide from.
func (r *Reconciler) observe(ctx context.Context, cluster *v1alpha1.PostgresCluster) (*scope, error) {
	s := newScope(cluster, r.Now())
	for _, read := range []func(context.Context, *scope) error{
		r.observePods, r.observeClaims, r.observeSecrets, r.observeServices, r.observeLease, r.observeCatalogue, r.observeOperation, r.observeReferences,
	} {
		if err := read(ctx, s); err != nil {
			return nil, err
		}
	}
	s.members = decideMembers(s.membershipFacts())
	s.steering = decideSteering(s.steeringFacts(r.Keeper.Version)) // by the children that there are to be, by the spec
	s.members = decideMembers(s.membershipFacts())                 // who is left alone has as many as before
	r.observeCertificates(s)
	r.observeInstances(ctx, s)
	s.image = s.cluster.Spec.Image
	if s.image == "" {
		s.image = s.observed.catalogue[s.cluster.Spec.Version]
	}
	return s, nil
}

// ours selects a cluster's children.
func (s *scope) ours() []client.ListOption {
	return []client.ListOption{client.InNamespace(s.cluster.Namespace), client.MatchingLabels{naming.LabelCluster: s.cluster.Name}}
}

func (r *Reconciler) observePods(ctx context.Context, s *scope) error {
	var pods corev1.PodList
	if err := r.Client.List(ctx, &pods, s.ours()...); err != nil {
		return fmt.Errorf("pods: %w", err)
	}
	s.observed.pods = map[string]*corev1.Pod{}
	for i := range pods.Items {
		pod := &pods.Items[i]
		// A pod of a deleted cluster of the same name is not ours; creating ours will say that its name is taken.
		if !metav1.IsControlledBy(pod, s.cluster) {
			continue
		}
		switch pod.Labels[naming.LabelComponent] {
		case desired.ComponentInstance:
			s.observed.pods[pod.Name] = pod
		case desired.ComponentImageCheck:
			s.observed.imageCheck = pod
		}
	}
	return nil
}

func (r *Reconciler) observeClaims(ctx context.Context, s *scope) error {
	var claims corev1.PersistentVolumeClaimList
	if err := r.Client.List(ctx, &claims, s.ours()...); err != nil {
		return fmt.Errorf("volume claims: %w", err)
	}
	s.observed.claims = s.ownClaims(claims.Items)
	return nil
}

// ownClaims are those that carry our labels under the name that we give them. Somebody may have copied one, labels and
// all: what it is called then is not what we call a volume.
func (s *scope) ownClaims(items []corev1.PersistentVolumeClaim) map[string]*corev1.PersistentVolumeClaim {
	claims := map[string]*corev1.PersistentVolumeClaim{}
	for i := range items {
		claim := &items[i]
		instance := claim.Labels[naming.LabelInstance]
		if _, ours := naming.Ordinal(s.cluster.Name, instance); !ours || metav1.GetControllerOf(claim) != nil {
			continue
		}
		switch {
		case claim.Labels[naming.LabelVolume] == desired.VolumeData && claim.Name == naming.DataVolume(instance),
			claim.Labels[naming.LabelVolume] == desired.VolumeWAL && claim.Name == naming.WALVolume(instance):
			claims[claim.Name] = claim
		}
	}
	return claims
}

func (r *Reconciler) observeSecrets(ctx context.Context, s *scope) error {
	var secrets corev1.SecretList
	if err := r.Client.List(ctx, &secrets, s.ours()...); err != nil {
		return fmt.Errorf("secrets: %w", err)
	}
	s.observed.secrets = map[string]*corev1.Secret{}
	for i := range secrets.Items {
		if metav1.IsControlledBy(&secrets.Items[i], s.cluster) {
			s.observed.secrets[secrets.Items[i].Name] = &secrets.Items[i]
		}
	}
	return nil
}

// lookUpSecrets reads from the API server those of our Secrets that the cache does not know. It may be behind: what a
// key or password is made from anew must be known to be missing.
func (r *Reconciler) lookUpSecrets(ctx context.Context, s *scope, names ...string) error {
	for _, name := range names {
		if s.observed.secrets[name] != nil {
			continue
		}
		secret := &corev1.Secret{}
		err := r.Live.Get(ctx, s.key(name), secret)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("secret %s: %w", name, err)
		}
		// One that is not ours is found out when ours is to be made.
		if metav1.IsControlledBy(secret, s.cluster) {
			s.observed.secrets[name] = secret
		}
	}
	return nil
}

func (r *Reconciler) observeServices(ctx context.Context, s *scope) error {
	var services corev1.ServiceList
	if err := r.Client.List(ctx, &services, s.ours()...); err != nil {
		return fmt.Errorf("services: %w", err)
	}
	s.observed.services = map[string]*corev1.Service{}
	for i := range services.Items {
		if metav1.IsControlledBy(&services.Items[i], s.cluster) {
			s.observed.services[services.Items[i].Name] = &services.Items[i]
		}
	}
	return nil
}

// observeLease reads from the API server: what it says decides whether a system may be created.
func (r *Reconciler) observeLease(ctx context.Context, s *scope) error {
	lease := &coordinationv1.Lease{}
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: s.cluster.Namespace, Name: naming.Lease(s.cluster.Name)}, lease)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	if controller := metav1.GetControllerOf(lease); controller == nil || controller.UID != s.cluster.UID {
		// Not ours: ensureLease says so. Its content decides nothing.
		return nil
	}
	s.observed.lease = lease
	record, invalid := election.Decode(contact.Fields(lease))
	if invalid == nil {
		s.observed.record = record
	} else {
		// The leader writes its own again; until then the content counts as absent.
		s.note("the content of the Lease "+lease.Name+" is ignored: "+invalid.Error(), v1alpha1.ReasonLeaseIgnored)
	}
	return nil
}

// observeCatalogue reads the Platform: its list of images goes before those built in.
func (r *Reconciler) observeCatalogue(ctx context.Context, s *scope) error {
	s.observed.catalogue = map[string]string{}
	for version, image := range r.Images {
		s.observed.catalogue[version] = image
	}
	platform, err := wheel.Reader{Client: r.Client}.Platform(ctx)
	if err != nil {
		return err
	}
	s.observed.platform = platform
	for _, entry := range platform.PostgresImages {
		s.observed.catalogue[entry.Version] = entry.Image
	}
	return nil
}

// +kubebuilder:rbac:groups=postgres.timonier.io,resources=postgresoperations,verbs=get;list;watch

// observeOperation finds the one that runs on the cluster: while it does, nobody else stops an instance.
func (r *Reconciler) observeOperation(ctx context.Context, s *scope) error {
	var all v1alpha1.PostgresOperationList
	if err := r.Client.List(ctx, &all, client.InNamespace(s.cluster.Namespace)); err != nil {
		return fmt.Errorf("operations: %w", err)
	}
	for i := range all.Items {
		operation := &all.Items[i]
		if operation.Spec.ClusterRef.Name == s.cluster.Name && operation.Status.StartedAt != nil && operation.Status.FinishedAt == nil {
			s.observed.operation = operation.Name
			if operation.Spec.Type == v1alpha1.OperationRenewCertificates {
				s.renewal = operation
			}
		}
	}
	return nil
}
