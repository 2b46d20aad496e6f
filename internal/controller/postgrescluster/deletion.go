package postgrescluster

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/wheel"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/reconcile/management"
)

// A cluster that goes takes its children with it, by Kubernetes' garbage collector; volumes have no owner and stay. Only
// where they are to go too does the cluster wait for this controller, by a finalizer: so that the last word of the
// spec counts, also if it was said while nobody listened.

// +kubebuilder:rbac:groups=postgres.timonier.io,resources=postgresclusters,verbs=update;patch

// keepFinalizer is on a cluster whose volumes are to be deleted with it, and on no other.
func (r *Reconciler) keepFinalizer(ctx context.Context, s *scope) error {
	return r.setFinalizer(ctx, s.cluster, s.cluster.Spec.Storage.RetentionPolicy.WhenDeleted == v1alpha1.DeleteVolume)
}

func (r *Reconciler) setFinalizer(ctx context.Context, cluster *v1alpha1.PostgresCluster, wanted bool) error {
	changed := cluster.DeepCopy()
	var touched bool
	if wanted {
		touched = controllerutil.AddFinalizer(changed, naming.FinalizerCluster)
	} else {
		touched = controllerutil.RemoveFinalizer(changed, naming.FinalizerCluster)
	}
	if !touched {
		return nil
	}
	// Others may have finalizers of their own: the list is replaced only as it was read.
	patch := client.MergeFromWithOptions(cluster, client.MergeFromWithOptimisticLock{})
	if err := client.IgnoreNotFound(r.Client.Patch(ctx, changed, patch, client.FieldOwner(fieldOwner+"-metadata"))); err != nil {
		return fmt.Errorf("finalizer of %s: %w", cluster.Name, err)
	}
	return nil
}

// finishDeletion deletes the volumes where the spec says so now, and lets the cluster go. Volumes in use go when
// their pods have gone.
func (r *Reconciler) finishDeletion(ctx context.Context, cluster *v1alpha1.PostgresCluster) error {
	if err := r.reportDeleting(ctx, cluster); err != nil {
		return err
	}
	if !controllerutil.ContainsFinalizer(cluster, naming.FinalizerCluster) {
		return nil
	}
	if cluster.Spec.Storage.RetentionPolicy.WhenDeleted == v1alpha1.DeleteVolume {
		if err := r.deleteVolumes(ctx, newScope(cluster, r.Now())); err != nil {
			return err
		}
	}
	// What was reported has changed the cluster; it is read again.
	live := &v1alpha1.PostgresCluster{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(cluster), live); err != nil {
		return client.IgnoreNotFound(err)
	}
	return r.setFinalizer(ctx, live, false)
}

// deleteVolumes of the cluster, but those that an override leaves alone. Both are read from the API server: what is deleted cannot be brought back.
func (r *Reconciler) deleteVolumes(ctx context.Context, s *scope) error {
	claims, err := r.claimsLive(ctx, s)
	if err != nil {
		return err
	}
	platform, err := wheel.Reader{Client: r.Live}.Platform(ctx)
	if err != nil {
		return err
	}
	for name, claim := range s.ownClaims(claims) {
		if management.LeftAlone(management.Resource{Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: name}, platform.Overrides) != "" {
			continue
		}
		if err := client.IgnoreNotFound(r.Client.Delete(ctx, claim, client.Preconditions{UID: &claim.UID})); err != nil {
			return fmt.Errorf("deleting volume %s with the cluster: %w", name, err)
		}
	}
	return nil
}
