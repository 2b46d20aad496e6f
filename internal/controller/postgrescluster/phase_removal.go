package postgrescluster

import (
	"context"
	"errors"
	"fmt"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// holdForRemoval keeps the cluster, by its finalizer, until what is to go has gone: were it deleted meanwhile, nobody would know what its last spec said.
func (r *Reconciler) holdForRemoval(ctx context.Context, s *scope) error {
	return r.setFinalizer(ctx, s.cluster, true)
}

// removeInstances stops all instances, the one that leads last, so that it is what the volumes agree on.
func (r *Reconciler) removeInstances(ctx context.Context, s *scope) error {
	if s.observed.imageCheck != nil {
		if err := r.removeImageCheck(ctx, s); err != nil {
			return err
		}
	}
	going := ""
	for _, name := range sortedKeys(s.observed.pods) {
		if last := name == s.observed.record.Holder && len(s.observed.pods) > 1; last {
			continue
		}
		pod := s.observed.pods[name]
		if going = name; !pod.DeletionTimestamp.IsZero() {
			continue
		}
		if err := r.Client.Delete(ctx, pod, client.Preconditions{UID: &pod.UID}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing pod %s: %w", name, err)
		}
	}
	if going != "" {
		// The pod's going is an event.
		return reconcile.Wait(0, v1alpha1.ReasonRemoving, "instance %s stops", going)
	}
	return nil
}

// +kubebuilder:rbac:groups="",resources=services;serviceaccounts;secrets,verbs=delete
// +kubebuilder:rbac:groups=discovery.k8s.io,resources=endpointslices,verbs=delete
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=roles;rolebindings,verbs=delete

// removeChildren takes all else away but the volumes. The Secrets of roles go with the volumes alone: what they open is kept as long as these are.
func (r *Reconciler) removeChildren(ctx context.Context, s *scope) error {
	name := s.cluster.Name
	objects := []client.Object{
		&policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: naming.DisruptionBudget(name)}},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: naming.PrimaryService(name)}},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: naming.ReplicaService(name)}},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: naming.PodsService(name)}},
		&discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: naming.PrimaryService(name)}},
		&discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: naming.ReplicaService(name)}},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: naming.ServiceAccount(name)}},
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: naming.ServiceAccount(name)}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: naming.ServiceAccount(name)}},
		&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: naming.Lease(name)}},
	}
	for _, secret := range sortedKeys(s.observed.secrets) {
		kept := s.observed.secrets[secret].Labels[naming.LabelComponent] == desired.ComponentCredentials && s.keepsVolumes()
		if !kept {
			objects = append(objects, s.observed.secrets[secret].DeepCopy())
		}
	}
	var failures error
	for _, object := range objects {
		object.SetNamespace(s.cluster.Namespace)
		failures = errors.Join(failures, r.removeOwn(ctx, s, object))
	}
	return failures
}

// removeOwn deletes an object, if it is there and the cluster's.
func (r *Reconciler) removeOwn(ctx context.Context, s *scope, object client.Object) error {
	err := r.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil && metav1.IsControlledBy(object, s.cluster) && object.GetDeletionTimestamp().IsZero() {
		uid := object.GetUID()
		err = reconcile.IgnoreLeftAlone(client.IgnoreNotFound(r.Client.Delete(ctx, object, client.Preconditions{UID: &uid})))
	}
	if err != nil {
		return fmt.Errorf("removing %T %s: %w", object, object.GetName(), err)
	}
	return nil
}

// keepsVolumes when the cluster goes.
func (s *scope) keepsVolumes() bool {
	return s.cluster.Spec.Storage.RetentionPolicy.WhenDeleted != v1alpha1.DeleteVolume
}

// removeVolumes where the spec says so. That it is still to be removed, and what is left alone, is read from the API server: they cannot be brought back.
func (r *Reconciler) removeVolumes(ctx context.Context, s *scope) error {
	if !s.keepsVolumes() {
		live := &v1alpha1.PostgresCluster{}
		if err := r.Live.Get(ctx, client.ObjectKeyFromObject(s.cluster), live); err != nil {
			return fmt.Errorf("reading whether volumes are still to be removed: %w", err)
		}
		if live.UID != s.cluster.UID || live.Generation != s.cluster.Generation {
			// The event of its newer version brings us back.
			return reconcile.Wait(0, v1alpha1.ReasonRemoving, "the spec has changed meanwhile")
		}
		if err := r.deleteVolumes(ctx, s); err != nil {
			return err
		}
	}
	s.removed = true
	return nil
}
