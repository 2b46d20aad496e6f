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

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/wheel"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/reconcile"
	"github.com/timonier-io/timonier/internal/reconcile/management"
)

// holdForRemoval keeps the cluster, by its finalizer, until what is to go has gone: were it deleted meanwhile, nobody would know what its last spec said.
func (r *Reconciler) holdForRemoval(ctx context.Context, s *scope) error {
	if err := r.stillRemoved(ctx, s); err != nil {
		return err
	}
	return r.setFinalizer(ctx, s.cluster, true)
}

// stillRemoved asks the API server whether the cluster is to be taken away still, by the spec that this round goes by and by what the Platform says now.
func (r *Reconciler) stillRemoved(ctx context.Context, s *scope) error {
	live := &v1alpha1.PostgresCluster{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(s.cluster), live); err != nil {
		return fmt.Errorf("reading whether the cluster is still to be removed: %w", err)
	}
	platform, err := wheel.Reader{Client: r.Live}.Platform(ctx)
	if err != nil {
		return err
	}
	says := management.Decide(s.resource(), live.Spec.ManagementState, wheel.Says(platform), contract.Removed)
	if live.UID != s.cluster.UID || live.Generation != s.cluster.Generation || says.State != contract.Removed || live.Spec.RemovalConfirmation != s.cluster.Name {
		// The event of the newer version, of the cluster or the Platform, brings us back.
		return reconcile.Wait(0, v1alpha1.ReasonRemoving, "what is to become of the cluster has changed meanwhile")
	}
	s.observed.platform = platform
	return nil
}

// removeInstances stops all instances, the one that leads last.
func (r *Reconciler) removeInstances(ctx context.Context, s *scope) error {
	stopped, err := r.stopInstances(ctx, s)
	switch {
	case err != nil:
		return err
	case stopped.going != "":
		// The pod's going is an event.
		return reconcile.Wait(0, v1alpha1.ReasonRemoving, "instance %s stops", stopped.going)
	}
	var left untouched
	for _, name := range stopped.alone {
		left.leave("pod "+name+" is not stopped, and what is to go after it stays", s.alone(kindPod, name))
	}
	return left.stalls()
}

// +kubebuilder:rbac:groups="",resources=services;serviceaccounts;secrets,verbs=delete
// +kubebuilder:rbac:groups=discovery.k8s.io,resources=endpointslices,verbs=delete
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=roles;rolebindings,verbs=delete

// removeChildren takes all else away but the volumes. The Secrets of roles go with the volumes alone: what they open is kept as long as these are.
func (r *Reconciler) removeChildren(ctx context.Context, s *scope) error {
	// Instances take their time to stop, and somebody may have thought again meanwhile.
	if err := r.stillRemoved(ctx, s); err != nil {
		return err
	}
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

// removeVolumes where the spec says so. That it is still to be removed, and what is left alone, is read from the API server: they cannot be brought back. Once they go,
// nothing is left of the system that they held: a cluster that is managed again makes another one.
func (r *Reconciler) removeVolumes(ctx context.Context, s *scope) error {
	if s.keepsVolumes() {
		s.removed = true
		return nil
	}
	if err := r.stillRemoved(ctx, s); err != nil {
		return err
	}
	if err := r.deleteVolumes(ctx, s); err != nil {
		return err
	}
	claims, err := r.claimsLive(ctx, s)
	if err != nil {
		return err
	}
	own := s.ownClaims(claims)
	var left untouched
	going := ""
	for _, name := range sortedKeys(own) {
		if by := s.alone(kindVolume, name); by != "" && own[name].DeletionTimestamp.IsZero() {
			left.leave("volume "+name+" is kept", by)
		} else {
			going = name
		}
	}
	if len(left) > 0 {
		return left.stalls()
	}
	// A claim that somebody made under a volume's name may hold a copy of the data.
	s.dataGone = len(own) == len(claims)
	if going != "" {
		// The volume's going is an event.
		return reconcile.Wait(0, v1alpha1.ReasonRemoving, "volume %s goes", going)
	}
	s.removed = true
	return nil
}
