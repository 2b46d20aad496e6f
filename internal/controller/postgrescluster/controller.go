package postgrescluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	ctrlreconcile "sigs.k8s.io/controller-runtime/pkg/reconcile"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/controller/wheel"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
	"github.com/timonier-io/timonier/internal/reconcile"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

// fieldOwner of everything that this controller applies.
const fieldOwner = "timonier-postgrescluster"

// Reconciler of PostgresClusters.
type Reconciler struct {
	// Client reads from the cache and writes; Live reads from the API server, where a decision hangs on it.
	Client client.Client
	// Held are children that Client does not write to, beside those that an override names.
	Held    *wheel.Held
	Live    client.Reader
	Events  events.EventRecorder
	Metrics *Metrics
	// Connections to instances, shared with other controllers.
	Connections *contact.Connections

	// ManagerImage is the operator's own image; ManagerProgram is the instance manager in it.
	ManagerImage   string
	ManagerProgram Program
	// Images built in, by major version of PostgreSQL; the Platform's catalogue goes before them.
	Images map[string]string
	// Policies of the two certificate authorities.
	PeerPolicy, ClientPolicy pki.Policy
	// Keeper remembers what fails. Policy is when that goes into quarantine, where the Platform says nothing else.
	Keeper *reconcile.Keeper
	Policy func() quarantine.Policy
	// Workers is how many clusters are reconciled at the same time.
	Workers int
	// Now is the clock.
	Now func() time.Time

	granted   granted
	offenders *reconcile.Offenders
	written   written
	recalled  reconcile.Once
	// memory of what was found right in a look before.
	memory reconcile.Memory
	// known has the UID of each cluster, by its name.
	known sync.Map
}

// +kubebuilder:rbac:groups=postgres.timonier.io,resources=postgresclusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=postgres.timonier.io,resources=postgresclusters/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=postgres.timonier.io,resources=postgresclusters/finalizers,verbs=update
// +kubebuilder:rbac:groups=platform.timonier.io,resources=platforms,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",resources=events,verbs=create;patch

// Reconcile brings one cluster closer to what was asked, and reports.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	if err := r.recall(ctx); err != nil {
		return ctrl.Result{}, err
	}
	uid, _ := r.known.Load(request.NamespacedName)
	known, _ := uid.(types.UID)
	return r.offenders.Work(request, r.Keeper.Offends(known), func() (ctrl.Result, error) { return r.tolerant(ctx, request) })
}

func (r *Reconciler) tolerant(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	result, err := r.reconcile(ctx, request)
	if apierrors.IsConflict(err) {
		// The cluster was read from a cache that is behind; the event of its newer version brings us back.
		return ctrl.Result{RequeueAfter: soon}, nil
	}
	return result, err
}

func (r *Reconciler) reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	cluster := &v1alpha1.PostgresCluster{}
	err := r.Client.Get(ctx, request.NamespacedName, cluster)
	if apierrors.IsNotFound(err) {
		r.forget(request.NamespacedName)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading the cluster: %w", err)
	}
	r.know(request.NamespacedName, cluster.UID)
	if cluster.Status.ObservedGeneration == 0 {
		// An event of this write brings us back.
		return ctrl.Result{}, r.reportUnobserved(ctx, cluster)
	}
	if !cluster.DeletionTimestamp.IsZero() {
		return r.finishDeletion(ctx, cluster)
	}
	opening := &opening{cluster: cluster}
	outcomes := reconcile.Run(ctx, opening, r.openingPhases())
	scope := opening.scope
	if scope != nil {
		defer contact.HangUp(scope.observed.instances)
	}
	if !opening.complete {
		return r.reportBlind(ctx, cluster, outcomes)
	}
	if scope.tells {
		return r.reportDrift(ctx, scope)
	}
	round := r.Keeper.Begin(r.subject(scope), r.names(scope.steering.state), wheel.Policy(scope.observed.platform, r.Policy()), scope.now)
	return r.report(ctx, scope, round, append(outcomes, reconcile.Run(ctx, scope, r.phasesOf(scope), round.Suspended()...)...))
}

// releaseToken as the status can hold it.
func releaseToken(asked string) string {
	const longest = 253
	if len(asked) > longest {
		return digest(asked)
	}
	return asked
}

// know the cluster of this name, and forget the one that had it before.
func (r *Reconciler) know(key types.NamespacedName, uid types.UID) {
	before, _ := r.known.Swap(key, uid)
	if old, ok := before.(types.UID); ok && old != uid {
		r.Keeper.Forget(old)
		r.memory.Forget(old)
	}
}

// subject of the kit's memory of failures.
func (r *Reconciler) subject(s *scope) reconcile.Subject {
	return reconcile.Subject{
		UID: s.cluster.UID, Generation: s.cluster.Generation, References: s.referenced, Token: releaseToken(s.cluster.Annotations[naming.AnnotationRelease]),
		Status: failuresOf(s.cluster.Status), HandsOff: s.steering.state == contract.Unmanaged,
	}
}

// SetupWithManager says which events lead to a reconcile.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	r.offenders = reconcile.NewOffenders(r.Workers)
	ours := builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})
	return ctrl.NewControllerManagedBy(manager).
		Named("postgrescluster").
		For(&v1alpha1.PostgresCluster{}).
		Owns(&corev1.Pod{}, ours).
		Owns(&corev1.Service{}, ours).
		Owns(&corev1.Secret{}, ours).
		Owns(&corev1.ServiceAccount{}, ours).
		Owns(&rbacv1.Role{}, ours).
		Owns(&rbacv1.RoleBinding{}, ours).
		Owns(&policyv1.PodDisruptionBudget{}, ours).
		// Their endpoints are the leader's: only what is ours to repair is an event.
		Owns(&discoveryv1.EndpointSlice{}, builder.WithPredicates(predicate.LabelChangedPredicate{})).
		// The instances renew it all the time: only who leads, by what quorum, and that it is gone is news.
		Owns(&coordinationv1.Lease{}, builder.WithPredicates(newsOfLease())).
		Watches(&corev1.PersistentVolumeClaim{}, handler.EnqueueRequestsFromMapFunc(clusterOfLabel)).
		Watches(&platformv1alpha1.Platform{}, handler.EnqueueRequestsFromMapFunc(r.allClusters)).
		Watches(&v1alpha1.PostgresOperation{}, handler.EnqueueRequestsFromMapFunc(clusterOfRenewal)).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Workers, RateLimiter: r.offenders.Backoff()}).
		Complete(r)
}

// newsOfLease lets a change of who leads or of the quorum through, and the end of the Lease.
func newsOfLease() predicate.Funcs {
	return predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
		UpdateFunc: func(update event.UpdateEvent) bool {
			before, wasLease := update.ObjectOld.(*coordinationv1.Lease)
			after, isLease := update.ObjectNew.(*coordinationv1.Lease)
			return !wasLease || !isLease || tellsNews(before, after)
		},
	}
}

// tellsNews is false for a mere renewal.
func tellsNews(before, after *coordinationv1.Lease) bool {
	was, unreadable := election.Decode(contact.Fields(before))
	is, invalid := election.Decode(contact.Fields(after))
	if (unreadable == nil) != (invalid == nil) {
		return true
	}
	opened := func(r election.Record) bool { return r.LastFailover != nil && !r.LastFailover.OpenedAt.IsZero() }
	return was.Holder != is.Holder || was.Term != is.Term || was.System != is.System || !was.Quorum.Equal(is.Quorum) || opened(was) != opened(is)
}

// clusterOfLabel finds the cluster of a volume claim, which has no owner.
func clusterOfLabel(_ context.Context, object client.Object) []ctrlreconcile.Request {
	cluster := object.GetLabels()[naming.LabelCluster]
	if cluster == "" {
		return nil
	}
	return []ctrlreconcile.Request{{NamespacedName: client.ObjectKey{Namespace: object.GetNamespace(), Name: cluster}}}
}

// clusterOfRenewal is the one whose certificates an operation has issued anew.
func clusterOfRenewal(_ context.Context, object client.Object) []ctrlreconcile.Request {
	operation, ok := object.(*v1alpha1.PostgresOperation)
	if !ok || operation.Spec.Type != v1alpha1.OperationRenewCertificates || operation.Status.StartedAt == nil || operation.Status.FinishedAt != nil {
		return nil
	}
	return []ctrlreconcile.Request{{NamespacedName: client.ObjectKey{Namespace: operation.Namespace, Name: operation.Spec.ClusterRef.Name}}}
}

// allClusters look again when the Platform changes: its catalogue of images, or what is to be left alone.
func (r *Reconciler) allClusters(ctx context.Context, _ client.Object) []ctrlreconcile.Request {
	var clusters v1alpha1.PostgresClusterList
	if err := r.Client.List(ctx, &clusters); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing the clusters that a changed Platform concerns; they notice within a minute by themselves")
		return nil
	}
	requests := make([]ctrlreconcile.Request, 0, len(clusters.Items))
	for i := range clusters.Items {
		requests = append(requests, ctrlreconcile.Request{NamespacedName: client.ObjectKeyFromObject(&clusters.Items[i])})
	}
	return requests
}

// applier writes children.
func (r *Reconciler) applier() reconcile.Applier {
	return reconcile.Applier{Client: r.Client, Live: r.Live, FieldOwner: fieldOwner, Memory: &r.memory}
}

// strictApplier writes children of which the caller must know that they were left alone.
func (r *Reconciler) strictApplier() reconcile.Applier {
	applier := r.applier()
	applier.Strict = true
	return applier
}

func newScope(cluster *v1alpha1.PostgresCluster, now time.Time) *scope {
	return &scope{
		cluster: cluster, desired: desired.Of(cluster), now: now, verifiers: map[string]string{}, made: map[string]bool{}, parsed: map[*corev1.Secret]any{},
		owner: reconcile.Owner{Kind: "PostgresCluster", Name: cluster.Name, UID: cluster.UID,
			Survivors: "PersistentVolumeClaim", Label: naming.LabelCluster, Value: cluster.Name},
	}
}
