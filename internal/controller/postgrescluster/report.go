package postgrescluster

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	applyconfiguration "github.com/timonier-io/timonier/api/postgres/v1alpha1/applyconfiguration/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

// lookAgainAfter is when a cluster at rest is looked at again at the earliest: an instance's own state is not watched.
const lookAgainAfter = 20 * time.Second

// jitter is by how much longer, as a part of it, it may take. Thousands of clusters that were looked at together, as after the operator's start, are to be
// spread within one turn: in a shorter span all of them would be due at once, and a change of a spec would find every worker busy.
const jitter = 1.0

// report writes status and events from what was observed and how the phases ended, in one place, and says when to
// look again.
func (r *Reconciler) report(ctx context.Context, s *scope, round reconcile.Round, outcomes []reconcile.Outcome) (ctrl.Result, error) {
	failures, changes := r.Keeper.End(round, outcomes)
	verdict := reconcile.JudgeSuspended(outcomes, quarantine.Suspended(failures))
	s.failures = failures
	s.due(round.NextAttempt(failures))
	r.Metrics.outcomes(outcomes)
	// Before the status is written: it is told once, whatever becomes of that.
	r.tellOfQuarantine(s.cluster, round.Released, changes)
	before := s.cluster.Status.DeepCopy()
	status := s.status(*before.DeepCopy(), verdict, r.Keeper.Version)
	if worthWriting(*before, status) || r.Keeper.WorthWriting(s.cluster.UID, failuresOf(*before), failures, s.now) ||
		worthNoting(*before, status) && r.written.longAgo(client.ObjectKeyFromObject(s.cluster), s.now) {
		err := r.writeStatus(ctx, s.cluster, status)
		if apierrors.IsConflict(err) {
			before, status, err = r.writeStatusAnew(ctx, s, verdict)
		}
		if err != nil {
			return ctrl.Result{}, err
		}
		r.written.set(client.ObjectKeyFromObject(s.cluster), s.now)
		r.Keeper.Written(s.cluster.UID, failures, s.now)
		r.tellOfConditions(s.cluster, before.Conditions, status.Conditions)
		r.tellOfFailover(s, before.Availability, status.Availability)
		r.tellOfCancelled(s, before.Availability, status.Availability)
		r.tellOfSteering(s.cluster, *before, status)
	}
	r.Metrics.status(s.cluster, status, s.instancesWanted())
	r.Metrics.steering(s.cluster, status)
	r.tellNotes(s)
	if err := r.labelQuarantined(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	if verdict.Failed != nil {
		// The queue tries again, with back-off.
		return ctrl.Result{}, verdict.Failed
	}
	return next(s, verdict), nil
}

// next look at the cluster, where nothing happens before. What is at rest comes behind all that somebody waits for: with thousands of clusters a change of a spec
// would wait until all of them were looked at.
func next(s *scope, verdict reconcile.Verdict) ctrl.Result {
	priority := 0
	if verdict.Waiting == nil {
		priority = reconcile.RestPriority
	}
	return ctrl.Result{RequeueAfter: requeueAfter(s, verdict), Priority: &priority}
}

func requeueAfter(s *scope, verdict reconcile.Verdict) time.Duration {
	after := wait.Jitter(lookAgainAfter, jitter)
	if verdict.RequeueAfter > 0 && s.steering.state != contract.Unmanaged { // nobody waits for what a person does
		after = min(after, verdict.RequeueAfter)
	}
	if !s.next.IsZero() {
		after = min(after, max(s.next.Sub(s.now), soon))
	}
	return after
}

// status of the cluster, computed from the former one: what was not seen this time stays as it was.
func (s *scope) status(status v1alpha1.PostgresClusterStatus, verdict reconcile.Verdict, version string) v1alpha1.PostgresClusterStatus {
	generation := s.cluster.Generation
	status.ObservedGeneration = generation
	if system := s.system(); system != "" {
		status.SystemIdentifier = system
	}
	if s.dataGone {
		status.SystemIdentifier = ""
	}
	status.Primary = s.leader()
	status.Availability = s.availabilityStatus(status.Availability)
	status.Instances = s.instanceStatuses()
	status.Summary.Instances = fmt.Sprintf(instancesFormat, readyInstances(status.Instances), s.instancesWanted())
	if s.checked != nil {
		status.Image = s.checked
	}
	if s.configured {
		status.RejectedParameters = s.rejected
	}
	status.LoadBalancers = s.loadBalancers()
	status.Failures, status.Quarantine, status.Released = s.failures.Failures, s.failures.Quarantine, s.failures.Released
	s.setCertificates(&status)
	if s.access != nil {
		status.Roles, status.Databases = objectStatuses(s.access.Roles), objectStatuses(s.access.Databases)
	}

	reason, message := v1alpha1.ReasonReady, fmt.Sprintf("%s instances are ready", status.Summary.Instances)
	if s.instancesWanted() == 0 {
		reason, message = v1alpha1.ReasonHibernated, "hibernated: no instance runs, all volumes are kept"
	}
	s.setQuarantined(&status.Conditions)
	reconcile.SetConditions(&status.Conditions, generation, s.withQuarantine(verdict), reason, message)
	s.setUnsteered(&status.Conditions, verdict)
	s.setRemovePending(&status.Conditions)
	s.setSteering(&status, version, len(s.failures.Quarantine) == 0 && verdict == (reconcile.Verdict{RequeueAfter: verdict.RequeueAfter}))
	s.setAvailable(&status.Conditions)
	synchronous := decideSynchronous(s.replication())
	synchronous.ObservedGeneration = generation
	meta.SetStatusCondition(&status.Conditions, synchronous)
	s.setDegraded(&status.Conditions)
	s.setHandsOffDegraded(&status.Conditions, status.Instances)
	return status
}

// withQuarantine is the verdict where something is suspended: a person must act.
func (s *scope) withQuarantine(verdict reconcile.Verdict) reconcile.Verdict {
	if quarantined := reconcile.Quarantined(s.cluster.Namespace, s.cluster.Name, s.failures); quarantined != nil && verdict.Stalled == nil {
		verdict.Stalled = &reconcile.StalledError{Reason: quarantined.Reason, Message: quarantined.Message}
	}
	return verdict
}

func (s *scope) setAvailable(conditions *[]metav1.Condition) {
	available := metav1.Condition{Type: v1alpha1.ConditionAvailable, Status: metav1.ConditionFalse,
		Reason: v1alpha1.ReasonNoPrimary, Message: "no instance takes writes", ObservedGeneration: s.cluster.Generation}
	if s.instancesWanted() == 0 {
		available.Reason, available.Message = v1alpha1.ReasonHibernated, "hibernated: no instance runs"
	}
	if leader := s.leader(); leader != "" && s.observed.instances[leader].Status.Ready {
		available.Status, available.Reason = metav1.ConditionTrue, v1alpha1.ReasonWriting
		available.Message = leader + " takes writes"
		if facts := s.replication(); facts.commitsWait() {
			waits := decideSynchronous(facts)
			available.Status, available.Reason, available.Message = metav1.ConditionFalse, waits.Reason, waits.Message
		}
	}
	meta.SetStatusCondition(conditions, available)
}

// setDegraded where the cluster serves, but an instance does not and will not by itself.
func (s *scope) setDegraded(conditions *[]metav1.Condition) {
	if s.sick == nil || s.leader() == "" {
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionDegraded)
		return
	}
	meta.SetStatusCondition(conditions, metav1.Condition{Type: v1alpha1.ConditionDegraded, Status: metav1.ConditionTrue,
		Reason: s.sick.Reason, Message: reconcile.Brief(s.sick.Message), ObservedGeneration: s.cluster.Generation})
}

// writeStatus applies the whole status, so that what it does not hold any more goes. This controller is its only writer. The UID
// keeps it off a cluster of the same name that was made since; the resourceVersion keeps a status that was computed from an
// old one, as the cache may give it, from taking away what was found out since: that is a conflict.
func (r *Reconciler) writeStatus(ctx context.Context, cluster *v1alpha1.PostgresCluster, status v1alpha1.PostgresClusterStatus) error {
	content, err := json.Marshal(status)
	if err != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	applied := &applyconfiguration.PostgresClusterStatusApplyConfiguration{}
	if err := json.Unmarshal(content, applied); err != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	want := applyconfiguration.PostgresCluster(cluster.Name, cluster.Namespace).WithUID(cluster.UID).
		WithResourceVersion(cluster.ResourceVersion).WithStatus(applied)
	err = r.Client.Status().Apply(ctx, want, client.FieldOwner(fieldOwner), client.ForceOwnership)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	return nil
}

// writeStatusAnew writes what this reconcile found out over the status as it is now.
func (r *Reconciler) writeStatusAnew(ctx context.Context, s *scope, verdict reconcile.Verdict) (before *v1alpha1.PostgresClusterStatus, after v1alpha1.PostgresClusterStatus, err error) {
	live := &v1alpha1.PostgresCluster{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(s.cluster), live); err != nil {
		return &live.Status, after, client.IgnoreNotFound(err)
	}
	before, after = live.Status.DeepCopy(), s.status(*live.Status.DeepCopy(), verdict, r.Keeper.Version)
	if live.UID != s.cluster.UID {
		// One of the same name that was made since is looked at by itself.
		return before, *before, nil
	}
	return before, after, r.writeStatus(ctx, live, after)
}

// reportUnobserved is the very first status: nothing was looked at yet, and it says so.
func (r *Reconciler) reportUnobserved(ctx context.Context, cluster *v1alpha1.PostgresCluster) error {
	status := *cluster.Status.DeepCopy()
	status.ObservedGeneration = cluster.Generation
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionAvailable, v1alpha1.ConditionSynchronous} {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionUnknown,
			Reason: v1alpha1.ReasonNotObserved, Message: "not looked at yet", ObservedGeneration: cluster.Generation})
	}
	// What was written in between is an event that brings us back.
	return ignoreConflict(r.writeStatus(ctx, cluster, status))
}

func ignoreConflict(err error) error {
	if apierrors.IsConflict(err) {
		return nil
	}
	return err
}

func (r *Reconciler) reportDeleting(ctx context.Context, cluster *v1alpha1.PostgresCluster) error {
	status := *cluster.Status.DeepCopy()
	status.ObservedGeneration = cluster.Generation
	verdict := reconcile.Verdict{Waiting: &reconcile.WaitError{Reason: v1alpha1.ReasonDeleting, Message: "the cluster is being deleted"}}
	reconcile.SetConditions(&status.Conditions, cluster.Generation, verdict, "", "")
	if !worthWriting(cluster.Status, status) {
		return nil
	}
	// What was written in between is an event that brings us back.
	return ignoreConflict(r.writeStatus(ctx, cluster, status))
}
