package postgrescluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// opening of a round: what comes before it is known which phases there are.
type opening struct {
	cluster *v1alpha1.PostgresCluster
	// scope is nil where it could not be observed; complete once all of the opening has ended in Done.
	scope    *scope
	complete bool
}

// openingPhases are vital: without them nothing is done for the cluster, not even what keeps its data safe.
func (r *Reconciler) openingPhases() []reconcile.Phase[*opening] {
	return []reconcile.Phase[*opening]{
		{Name: "observe", Vital: true, Run: func(ctx context.Context, o *opening) (err error) {
			o.scope, err = r.observe(ctx, o.cluster)
			return err
		}},
		{Name: "resume", Vital: true, Requires: []string{"observe"}, Run: func(ctx context.Context, o *opening) (err error) {
			err = r.resume(ctx, o.scope)
			o.complete = err == nil
			return err
		}},
	}
}

// reportBlind tells of a cluster that could not be observed, or not be handed back: what was known of it stays as it was, and so does what is in quarantine.
func (r *Reconciler) reportBlind(ctx context.Context, cluster *v1alpha1.PostgresCluster, outcomes []reconcile.Outcome) (ctrl.Result, error) {
	s, verdict := newScope(cluster, r.Now()), reconcile.Judge(outcomes)
	s.steering.state = cluster.Status.ManagementState // as before, for all that is known
	subject := r.subject(s)
	subject.HandsOff = true
	round := r.Keeper.Begin(subject, r.names(contract.Unmanaged), r.Policy(), s.now)
	s.failures, _ = r.Keeper.End(round, outcomes)
	r.Metrics.outcomes(outcomes)
	before := *cluster.Status.DeepCopy()
	status := s.blindStatus(*before.DeepCopy(), verdict)
	if worthWriting(before, status) || r.Keeper.WorthWriting(cluster.UID, failuresOf(before), s.failures, s.now) {
		if err := r.writeStatus(ctx, cluster, status); err != nil {
			return ctrl.Result{}, errors.Join(verdict.Failed, err)
		}
		r.Keeper.Written(cluster.UID, s.failures, s.now)
		r.tellOfConditions(cluster, before.Conditions, status.Conditions)
	}
	r.Metrics.status(cluster, status, s.instancesWanted())
	r.Metrics.steering(cluster, status)
	if verdict.Failed != nil {
		return ctrl.Result{}, verdict.Failed
	}
	return next(s, verdict), nil
}

// blindStatus is the former one, but for what fails. Of a cluster that was left alone before, Ready says so still, and the generation is not answered.
func (s *scope) blindStatus(status v1alpha1.PostgresClusterStatus, verdict reconcile.Verdict) v1alpha1.PostgresClusterStatus {
	status.Failures, status.Quarantine, status.Released = s.failures.Failures, s.failures.Quarantine, s.failures.Released
	conditions := slices.Clone(status.Conditions)
	reconcile.SetConditions(&conditions, s.cluster.Generation, s.withQuarantine(verdict), v1alpha1.ReasonReady, "")
	if status.ManagementState != contract.Unmanaged {
		status.ObservedGeneration, status.Conditions = s.cluster.Generation, conditions
		return status
	}
	meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionReconciling)
	if fails := meta.FindStatusCondition(conditions, v1alpha1.ConditionReconciling); fails != nil {
		status.Conditions = append(status.Conditions, *fails)
	}
	return status
}

// recall what all clusters fail by, as the operator before this one wrote it down, ahead of the first round of any of them.
func (r *Reconciler) recall(ctx context.Context) error {
	return r.recalled.Do(func() error {
		var clusters v1alpha1.PostgresClusterList
		if err := r.Client.List(ctx, &clusters); err != nil {
			return fmt.Errorf("reading what clusters failed by before: %w", err)
		}
		for i := range clusters.Items {
			r.know(client.ObjectKeyFromObject(&clusters.Items[i]), clusters.Items[i].UID)
			r.Keeper.Recall(clusters.Items[i].UID, failuresOf(clusters.Items[i].Status))
		}
		return nil
	})
}
