package postgresoperation

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/reconcile"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
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
	// Keeper remembers what fails. Policy is when an operation is given up for it, where the Platform says nothing else.
	Keeper *reconcile.Keeper
	Policy func() quarantine.Policy
	// Now is the clock.
	Now func() time.Time

	// known has the UID of each operation that has not ended, by its name.
	known     sync.Map
	offenders *reconcile.Offenders
	// recalled: what the operator before this one wrote down of failures is read.
	recalled reconcile.Once
	// admission has a lock of each cluster: it lets one operation after the other in, so that of two each sees the other. Those on another cluster do not
	// wait for instances that do not answer.
	admission sync.Map
}

// +kubebuilder:rbac:groups=postgres.timonier.io,resources=postgresoperations,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=postgres.timonier.io,resources=postgresoperations/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile takes one step of one operation, or tidies up after those that have ended.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	if err := r.recall(ctx); err != nil {
		return ctrl.Result{}, err
	}
	uid, _ := r.known.Load(request.NamespacedName)
	known, _ := uid.(types.UID)
	return r.offenders.Work(request, r.Keeper.Offends(known), func() (ctrl.Result, error) { return r.reconcile(ctx, request) })
}

func (r *Reconciler) reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	operation := &v1alpha1.PostgresOperation{}
	// From the API server: what a cache that is behind does not tell of would be asked for twice.
	err := r.Live.Get(ctx, request.NamespacedName, operation)
	if apierrors.IsNotFound(err) || err == nil && (!operation.DeletionTimestamp.IsZero() || operation.Status.FinishedAt != nil) {
		r.forget(request.NamespacedName)
	}
	switch {
	case err != nil:
		return ctrl.Result{}, client.IgnoreNotFound(err)
	case !operation.DeletionTimestamp.IsZero():
		return ctrl.Result{}, nil
	case operation.Status.FinishedAt != nil:
		return r.tidy(ctx, operation)
	}
	r.know(request.NamespacedName, operation.UID)
	if operation.Status.StartedAt == nil {
		lane := r.lane(operation)
		if !lane.TryLock() {
			return ctrl.Result{RequeueAfter: soon}, nil // a worker that waited would be missing for other clusters
		}
		defer lane.Unlock()
	}
	result, err := r.try(ctx, operation)
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: soon}, nil
	}
	return result, err
}

// lane of the cluster that an operation is about.
func (r *Reconciler) lane(operation *v1alpha1.PostgresOperation) *sync.Mutex {
	made, _ := r.admission.LoadOrStore(types.NamespacedName{Namespace: operation.Namespace, Name: operation.Spec.ClusterRef.Name}, &sync.Mutex{})
	return made.(*sync.Mutex) //nolint:errcheck,forcetypeassert // nothing else is stored
}

// advance by one step. Only what the status remembers is acted upon: what a step notes is written before the next is taken.
func (r *Reconciler) advance(ctx context.Context, a *attempt) error {
	f, cluster, err := r.observe(ctx, a.operation)
	defer contact.HangUp(f.instances)
	if err != nil {
		return fmt.Errorf("observing: %w", err)
	}
	next := ask(ctx, f, decide(f))
	if err := r.report(ctx, a.operation, cluster, next); err != nil {
		return err
	}
	switch next.verb {
	case verbRefuse, verbSucceed, verbFail:
		// The event of its end brings us back to tidy up.
	case verbAccept, verbRemember:
		a.result.RequeueAfter = time.Millisecond
	default:
		// Neither what instances do nor clusters are watched here.
		a.result.RequeueAfter = max(next.after, soon)
	}
	return nil
}

// SetupWithManager says which events lead to a reconcile.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	r.offenders = reconcile.NewOffenders(r.Workers)
	return ctrl.NewControllerManagedBy(manager).
		Named("postgresoperation").
		For(&v1alpha1.PostgresOperation{}, builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Workers, RateLimiter: r.offenders.Backoff()}).
		Complete(r)
}
