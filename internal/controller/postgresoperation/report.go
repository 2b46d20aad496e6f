package postgresoperation

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	applyconfiguration "github.com/timonier-io/timonier/api/postgres/v1alpha1/applyconfiguration/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// report writes what a step has come to, as status and events.
func (r *Reconciler) report(ctx context.Context, operation *v1alpha1.PostgresOperation, cluster *v1alpha1.PostgresCluster, next step) error {
	status := statusOf(operation.Generation, next, *at(r.Now()))
	if equality.Semantic.DeepEqual(operation.Status, status) {
		return nil
	}
	if err := r.writeStatus(ctx, operation, status); err != nil {
		return err
	}
	r.tell(operation, cluster, next)
	return nil
}

// statusOf an operation after a step.
func statusOf(generation int64, next step, now metav1.Time) v1alpha1.PostgresOperationStatus {
	status := *next.status.DeepCopy()
	status.ObservedGeneration = generation
	message := reconcile.Brief(next.message)
	set := func(kind string, is bool, reason, message string) {
		condition := metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: message, ObservedGeneration: generation}
		if is {
			condition.Status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&status.Conditions, condition)
	}
	status.Summary = v1alpha1.OperationSummary{State: "Running", Reason: next.reason, Message: message}
	switch next.verb {
	case verbRefuse:
		set(v1alpha1.ConditionAccepted, false, next.reason, message)
		set(v1alpha1.ConditionFailed, true, next.reason, message)
		status.Summary.State, status.FinishedAt = "Refused", &now
	case verbPostpone:
		if was := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionAccepted); was != nil && waitsForHandsOff(was) != waitsFor(next.reason) {
			// It is since now that this is so: what is tried for a time is tried for that from here on.
			meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionAccepted)
		}
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionUnknown, Reason: next.reason,
			Message: message, ObservedGeneration: generation, LastTransitionTime: now})
		status.Summary.State = "Pending"
	case verbAccept:
		set(v1alpha1.ConditionAccepted, true, next.reason, message)
		set(v1alpha1.ConditionRunning, true, next.reason, message)
	case verbSucceed:
		set(v1alpha1.ConditionRunning, false, v1alpha1.ReasonFinished, "it has succeeded")
		set(v1alpha1.ConditionSucceeded, true, next.reason, message)
		status.Summary.State, status.FinishedAt = "Succeeded", &now
	case verbFail:
		set(v1alpha1.ConditionRunning, false, v1alpha1.ReasonFinished, "it has failed")
		set(v1alpha1.ConditionFailed, true, next.reason, message)
		status.Summary.State, status.FinishedAt = "Failed", &now
	default:
		set(v1alpha1.ConditionRunning, true, next.reason, message)
	}
	return status
}

// writeStatus applies the whole status, under the version that the step was decided from.
func (r *Reconciler) writeStatus(ctx context.Context, operation *v1alpha1.PostgresOperation, status v1alpha1.PostgresOperationStatus) error {
	content, err := json.Marshal(status)
	if err != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	applied := &applyconfiguration.PostgresOperationStatusApplyConfiguration{}
	if err := json.Unmarshal(content, applied); err != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	want := applyconfiguration.PostgresOperation(operation.Name, operation.Namespace).WithUID(operation.UID).
		WithResourceVersion(operation.ResourceVersion).WithStatus(applied)
	err = r.Client.Status().Apply(ctx, want, client.FieldOwner(fieldOwner), client.ForceOwnership)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	return nil
}

// tell beginning and end as events of the operation, and of its cluster, where people look.
func (r *Reconciler) tell(operation *v1alpha1.PostgresOperation, cluster *v1alpha1.PostgresCluster, next step) {
	severity := corev1.EventTypeNormal
	switch next.verb {
	case verbAccept, verbSucceed:
	case verbRefuse, verbFail:
		severity = corev1.EventTypeWarning
	default:
		return
	}
	message := reconcile.Brief(next.message)
	r.Events.Eventf(operation, nil, severity, next.reason, string(operation.Spec.Type), "%s", message)
	if cluster != nil {
		r.Events.Eventf(cluster, operation, severity, next.reason, string(operation.Spec.Type), "%s %s: %s", operation.Spec.Type, operation.Name, message)
	}
}
