package platform

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	ctrlreconcile "sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/timonier-io/timonier/api/platform/v1alpha1"
	applyconfiguration "github.com/timonier-io/timonier/api/platform/v1alpha1/applyconfiguration/platform/v1alpha1"
	postgresv1alpha1 "github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

// fieldOwner of the status.
const fieldOwner = "timonier-platform"

// lookAgainAfter is how often it is asked what most resources fail by: no event tells of it.
const lookAgainAfter = 15 * time.Second

// Reconciler of the Platform.
type Reconciler struct {
	Client client.Client
	Events events.EventRecorder
	// Version of this operator.
	Version string
	// Shared is, by kind, what most of its resources fail by; without those of which that is not so.
	Shared  func() map[string]quarantine.Common
	Metrics *Metrics
	// Namespace of the operator, and its Lease there: where there is no Platform, what would be in its status is told in events of that.
	Namespace, Lease string
	// Now is the clock.
	Now func() time.Time

	absent absence
}

// +kubebuilder:rbac:groups=platform.timonier.io,resources=platforms,verbs=get;list;watch
// +kubebuilder:rbac:groups=platform.timonier.io,resources=platforms/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=postgres.timonier.io,resources=postgresclusters,verbs=get;list;watch

// Reconcile reports.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	platform := &v1alpha1.Platform{}
	err := r.Client.Get(ctx, request.NamespacedName, platform)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("platform: %w", err)
	}
	missing := err != nil
	var clusters postgresv1alpha1.PostgresClusterList
	// They are read and no more: copies of thousands would be made with each look.
	if err := r.Client.List(ctx, &clusters, client.UnsafeDisableDeepCopy); err != nil {
		return ctrl.Result{}, fmt.Errorf("listing the clusters: %w", err)
	}
	status := *platform.Status.DeepCopy()
	status.ObservedGeneration, status.OperatorVersion = platform.Generation, r.Version
	blocking := blockers(platform.Spec, clusters.Items)
	r.Metrics.blockers.Set(float64(len(blocking)))
	status.Blocking = blocking[:min(len(blocking), blockingShown)]
	meta.SetStatusCondition(&status.Conditions, upgradeable(blocking, platform.Generation))
	if degraded := degraded(r.Shared(), platform.Generation); degraded != nil {
		meta.SetStatusCondition(&status.Conditions, *degraded)
	} else {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionDegraded)
	}
	if missing {
		r.tellWithoutPlatform(ctx, clusters.Items, meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionDegraded))
		return ctrl.Result{RequeueAfter: lookAgainAfter}, nil
	}
	r.absent = absence{}
	if !equality.Semantic.DeepEqual(platform.Status, status) {
		if err := r.writeStatus(ctx, platform, status); err != nil {
			return ctrl.Result{}, err
		}
		r.tell(platform, status)
	}
	return ctrl.Result{RequeueAfter: lookAgainAfter}, nil
}

func (r *Reconciler) writeStatus(ctx context.Context, platform *v1alpha1.Platform, status v1alpha1.PlatformStatus) error {
	content, err := json.Marshal(status)
	if err != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	applied := &applyconfiguration.PlatformStatusApplyConfiguration{}
	if err := json.Unmarshal(content, applied); err != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	want := applyconfiguration.Platform(platform.Name).WithUID(platform.UID).WithStatus(applied)
	if err := r.Client.Status().Apply(ctx, want, client.FieldOwner(fieldOwner), client.ForceOwnership); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	return nil
}

// tell each change of a condition.
func (r *Reconciler) tell(platform *v1alpha1.Platform, after v1alpha1.PlatformStatus) {
	for i := range after.Conditions {
		is := after.Conditions[i]
		was := meta.FindStatusCondition(platform.Status.Conditions, is.Type)
		if was != nil && was.Status == is.Status && was.Reason == is.Reason || was == nil && is.Reason == v1alpha1.ReasonNothingBlocks {
			continue
		}
		severity := corev1.EventTypeWarning
		if is.Reason == v1alpha1.ReasonNothingBlocks {
			severity = corev1.EventTypeNormal
		}
		r.Events.Eventf(platform, nil, severity, is.Reason, "Reconcile", "%s", is.Message)
	}
}

// SetupWithManager says which events lead to a reconcile.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).
		Named("platform").
		For(&v1alpha1.Platform{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&postgresv1alpha1.PostgresCluster{}, handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []ctrlreconcile.Request {
			return []ctrlreconcile.Request{{NamespacedName: client.ObjectKey{Name: v1alpha1.SingletonName}}}
		}), builder.WithPredicates(newsOfSteering())).
		WithOptions(controller.Options{RateLimiter: reconcile.NewBackoff[ctrl.Request]()}).
		// Once, and from then on by itself, also where there is no Platform.
		WatchesRawSource(source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[ctrlreconcile.Request]) error {
			queue.Add(ctrlreconcile.Request{NamespacedName: client.ObjectKey{Name: v1alpha1.SingletonName}})
			return nil
		})).
		Complete(r)
}

// newsOfSteering lets through that a cluster is left alone, in whole or in part, or not any more.
func newsOfSteering() predicate.Funcs {
	return predicate.Funcs{
		CreateFunc:  func(created event.CreateEvent) bool { return blocks(created.Object) != "" },
		DeleteFunc:  func(deleted event.DeleteEvent) bool { return blocks(deleted.Object) != "" },
		GenericFunc: func(event.GenericEvent) bool { return false },
		UpdateFunc:  func(update event.UpdateEvent) bool { return blocks(update.ObjectOld) != blocks(update.ObjectNew) },
	}
}

func blocks(object client.Object) string {
	cluster, ok := object.(*postgresv1alpha1.PostgresCluster)
	if !ok {
		return ""
	}
	return blocker(cluster)
}
