package postgresoperation

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/wheel"
	"github.com/timonier-io/timonier/internal/reconcile"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

// phaseAdvance is all that is done for an operation in one reconcile: it has no second phase.
const phaseAdvance = "advance"

// attempt is one reconcile of an operation that has not ended.
type attempt struct {
	operation *v1alpha1.PostgresOperation
	// result is when to look again.
	result ctrl.Result
}

// try to advance an operation. What fails is counted as for every kind. What would put another object into quarantine ends an operation: it was asked for once,
// and must not be carried out hours later, when nobody thinks of it any more.
func (r *Reconciler) try(ctx context.Context, operation *v1alpha1.PostgresOperation) (ctrl.Result, error) {
	platform, err := wheel.Reader{Client: r.Client}.Platform(ctx)
	if err != nil {
		return ctrl.Result{}, err
	}
	a := &attempt{operation: operation}
	failures, err := r.counted(ctx, a, wheel.Policy(platform, r.Policy()), r.advance)
	if len(failures.Quarantine) > 0 {
		return ctrl.Result{}, r.giveUp(ctx, operation, failures.Quarantine[0])
	}
	if err != nil {
		return ctrl.Result{}, errors.Join(err, r.noteFailures(ctx, operation, failures))
	}
	return a.result, nil
}

// counted runs an attempt, catches its panic, and tells what is known of failures then.
func (r *Reconciler) counted(ctx context.Context, a *attempt, policy quarantine.Policy, run func(context.Context, *attempt) error) (contract.FailureStatus, error) {
	subject := reconcile.Subject{UID: a.operation.UID, Generation: a.operation.Generation, Status: failuresOf(a.operation)}
	round := r.Keeper.Begin(subject, reconcile.Names{Ordinary: []string{phaseAdvance}}, policy, r.Now())
	outcomes := reconcile.Run(ctx, a, []reconcile.Phase[*attempt]{{Name: phaseAdvance, Run: run}}, round.Suspended()...)
	failures, _ := r.Keeper.End(round, outcomes)
	err := outcomes[0].Err
	if panicked := (*reconcile.PanicError)(nil); errors.As(err, &panicked) {
		ctrl.LoggerFrom(ctx).Error(err, "a panic was caught", "stack", string(panicked.Stack))
	}
	return failures, err
}

// recall what operations fail by, ahead of the first attempt on any of them: none is given up for having been looked at first, where most fail alike.
func (r *Reconciler) recall(ctx context.Context) error {
	return r.recalled.Do(func() error {
		var all v1alpha1.PostgresOperationList
		if err := r.Client.List(ctx, &all); err != nil {
			return fmt.Errorf("reading what operations failed by before: %w", err)
		}
		for i := range all.Items {
			if operation := &all.Items[i]; operation.Status.FinishedAt == nil {
				r.know(client.ObjectKeyFromObject(operation), operation.UID)
				r.Keeper.Recall(operation.UID, failuresOf(operation))
			}
		}
		return nil
	})
}

func failuresOf(operation *v1alpha1.PostgresOperation) contract.FailureStatus {
	return contract.FailureStatus{Failures: operation.Status.Failures}
}

// noteFailures in the status, once a minute at most, so that another operator counts on.
func (r *Reconciler) noteFailures(ctx context.Context, operation *v1alpha1.PostgresOperation, failures contract.FailureStatus) error {
	if !r.Keeper.WorthWriting(operation.UID, failuresOf(operation), failures, r.Now()) {
		return nil
	}
	status := *operation.Status.DeepCopy()
	status.Failures = failures.Failures
	if err := r.writeStatus(ctx, operation, status); err != nil {
		if apierrors.IsConflict(err) {
			return nil // it is written with the next
		}
		return err
	}
	r.Keeper.Written(operation.UID, failures, r.Now())
	return nil
}

// giveUp an operation that fails again and again, or panics.
func (r *Reconciler) giveUp(ctx context.Context, operation *v1alpha1.PostgresOperation, why contract.Quarantine) error {
	return r.report(ctx, operation, nil, givenUp(operation.Status, why))
}

func givenUp(status v1alpha1.PostgresOperationStatus, why contract.Quarantine) step {
	end := step{verb: verbRefuse, reason: v1alpha1.ReasonRetriesExhausted, status: *status.DeepCopy()}
	if why.Reason == reconcile.ReasonPanic {
		end.reason = v1alpha1.ReasonPanicked
	}
	then := "nothing was done"
	if status.StartedAt != nil {
		end.verb, then = verbFail, "what an instance has begun, it ends"
	}
	end.message = fmt.Sprintf("given up after %d failures: %s. Mend that and ask again; %s", why.Count, why.Message, then)
	return end
}

// know the operation of this name, and forget the one that had it before.
func (r *Reconciler) know(key types.NamespacedName, uid types.UID) {
	before, _ := r.known.Swap(key, uid)
	if old, ok := before.(types.UID); ok && old != uid {
		r.Keeper.Forget(old)
	}
}

// forget an operation that is gone or has ended.
func (r *Reconciler) forget(key types.NamespacedName) {
	before, _ := r.known.LoadAndDelete(key)
	if uid, ok := before.(types.UID); ok {
		r.Keeper.Forget(uid)
	}
}
