package postgrescluster

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
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

// overdue is how long after the end of its grace period a pod is waited for. Its node is lost then, or asleep, and the cluster is to be let go.
const overdue = time.Minute

// finishDeletion stops the instances in order, deletes the volumes where the spec says so now, and lets the cluster go: always, whoever steers it. Volumes in
// use go when their pods have gone. Children that are left alone are the garbage collector's, whom nobody can tell.
func (r *Reconciler) finishDeletion(ctx context.Context, cluster *v1alpha1.PostgresCluster) (ctrl.Result, error) {
	r.Held.Set(cluster.UID, nil)
	if err := r.reportDeleting(ctx, cluster); err != nil {
		return ctrl.Result{}, err
	}
	if !controllerutil.ContainsFinalizer(cluster, naming.FinalizerCluster) {
		return ctrl.Result{}, nil
	}
	s := newScope(cluster, r.Now())
	platform, err := wheel.Reader{Client: r.Live}.Platform(ctx)
	if err != nil {
		return ctrl.Result{}, err
	}
	s.observed.platform = platform
	if err := r.observeLease(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	stopped, err := r.stopInstances(ctx, s)
	if err != nil {
		return ctrl.Result{}, err
	}
	if stopped.going != "" {
		// The pod's going is an event; that it does not go is none.
		return ctrl.Result{RequeueAfter: lookAgainAfter}, nil
	}
	if cluster.Spec.Storage.RetentionPolicy.WhenDeleted == v1alpha1.DeleteVolume {
		if err := r.deleteVolumes(ctx, s); err != nil {
			return ctrl.Result{}, err
		}
	}
	// What was reported has changed the cluster; it is read again.
	live := &v1alpha1.PostgresCluster{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(cluster), live); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	return ctrl.Result{}, r.setFinalizer(ctx, live, false)
}

// stopped is how far instances are.
type stopped struct {
	// going is one that stops, "" where none does.
	going string
	// alone are pods that nobody stops.
	alone []string
}

// stopInstances stops all instances, the one that leads last, so that its data is what the volumes agree on. Pods are read from the API server: what comes after
// must find none that the cache did not know yet.
func (r *Reconciler) stopInstances(ctx context.Context, s *scope) (stopped, error) {
	var so stopped
	var all corev1.PodList
	if err := r.Live.List(ctx, &all, s.ours()...); err != nil {
		return so, fmt.Errorf("reading which pods there are: %w", err)
	}
	var last *corev1.Pod
	for i := range all.Items {
		pod := &all.Items[i]
		switch {
		case !metav1.IsControlledBy(pod, s.cluster):
		case s.alone(kindPod, pod.Name) != "":
			so.alone = append(so.alone, pod.Name)
		case pod.Name == s.observed.record.Holder:
			last = pod
		default:
			if err := r.stopInstance(ctx, s, pod, &so); err != nil {
				return so, err
			}
		}
	}
	if last == nil || so.going != "" {
		return so, nil
	}
	return so, r.stopInstance(ctx, s, last, &so)
}

// stopInstance unless it stops already. One that should have gone long ago is not waited for when all is to go; who may wait for it says so.
func (r *Reconciler) stopInstance(ctx context.Context, s *scope, pod *corev1.Pod, so *stopped) error {
	if !pod.DeletionTimestamp.IsZero() {
		if late := s.now.After(pod.DeletionTimestamp.Add(overdue)); late && !s.cluster.DeletionTimestamp.IsZero() {
			return nil
		}
		so.going = pod.Name
		return nil
	}
	so.going = pod.Name
	if err := r.Client.Delete(ctx, pod, client.Preconditions{UID: &pod.UID}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing pod %s: %w", pod.Name, err)
	}
	return nil
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
		if management.LeftAlone(management.Resource{Kind: kindVolume, Namespace: claim.Namespace, Name: name}, platform.Overrides) != "" || !claim.DeletionTimestamp.IsZero() {
			continue
		}
		if err := client.IgnoreNotFound(r.Client.Delete(ctx, claim, client.Preconditions{UID: &claim.UID})); err != nil {
			return fmt.Errorf("deleting volume %s with the cluster: %w", name, err)
		}
	}
	return nil
}
