package postgresoperation

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// fieldOwner of the status.
const fieldOwner = "timonier-postgresoperation"

// Reconciler of PostgresOperations.
type Reconciler struct {
	// Client reads from the cache and writes; Live reads from the API server.
	Client client.Client
	Live   client.Reader
	Events events.EventRecorder
	// Connections to instances, shared with other controllers.
	Connections *contact.Connections
	// Workers is how many operations go on at the same time, of different clusters.
	Workers int
	// Now is the clock.
	Now func() time.Time

	// admission lets one operation after the other in, so that of two on one cluster each sees the other.
	admission sync.Mutex
}

// +kubebuilder:rbac:groups=postgres.timonier.io,resources=postgresoperations,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=postgres.timonier.io,resources=postgresoperations/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile takes one step of one operation, or tidies up after those that have ended.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	operation := &v1alpha1.PostgresOperation{}
	// From the API server: what a cache that is behind does not tell of would be asked for twice.
	if err := r.Live.Get(ctx, request.NamespacedName, operation); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !operation.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	if operation.Status.FinishedAt != nil {
		return r.tidy(ctx, operation)
	}
	if operation.Status.StartedAt == nil {
		r.admission.Lock()
		defer r.admission.Unlock()
	}
	result, err := r.advance(ctx, operation)
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: soon}, nil
	}
	return result, err
}

// advance by one step. Only what the status remembers is acted upon: what a step notes is written before the next is taken.
func (r *Reconciler) advance(ctx context.Context, operation *v1alpha1.PostgresOperation) (ctrl.Result, error) {
	f, cluster, err := r.observe(ctx, operation)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("observing: %w", err)
	}
	next := ask(ctx, f, decide(f))
	if err := r.report(ctx, operation, cluster, next); err != nil {
		return ctrl.Result{}, err
	}
	switch next.verb {
	case verbRefuse, verbSucceed, verbFail:
		return ctrl.Result{}, nil // the event of its end brings us back to tidy up
	case verbAccept, verbRemember:
		return ctrl.Result{RequeueAfter: time.Millisecond}, nil
	default:
		// Neither what instances do nor clusters are watched here.
		return ctrl.Result{RequeueAfter: max(next.after, soon)}, nil
	}
}

// SetupWithManager says which events lead to a reconcile.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).
		Named("postgresoperation").
		For(&v1alpha1.PostgresOperation{}, builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Workers, RateLimiter: reconcile.NewBackoff[ctrl.Request]()}).
		Complete(r)
}
