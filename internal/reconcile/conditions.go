package reconcile

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Types of the conditions that the kit keeps, with kstatus' meaning.
const (
	conditionReady       = "Ready"
	conditionReconciling = "Reconciling"
	conditionStalled     = "Stalled"
	conditionQuarantined = "Quarantined"

	reasonReady    = "Ready"
	reasonRetrying = "Retrying"
)

// SetConditions writes Ready, Reconciling and Stalled from the verdict. Ready is True only where
// nothing is waited for, failing or stalled; Reconciling and Stalled are True or absent.
// readyMessage is for people, and is used where Ready is True.
func SetConditions(conditions *[]metav1.Condition, generation int64, verdict Verdict, readyReason, readyMessage string) {
	ready := metav1.Condition{Type: conditionReady, Status: metav1.ConditionTrue, Reason: readyReason, Message: readyMessage}
	if readyReason == "" {
		ready.Reason = reasonReady
	}
	reconciling := verdict.reconciling()
	if reconciling != nil {
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, reconciling.Reason, reconciling.Message
		set(conditions, generation, *reconciling)
	} else {
		meta.RemoveStatusCondition(conditions, conditionReconciling)
	}
	// What a person must act on is told first: it is the next step.
	if verdict.Stalled != nil {
		stalled := metav1.Condition{Type: conditionStalled, Status: metav1.ConditionTrue,
			Reason: verdict.Stalled.Reason, Message: Brief(verdict.Stalled.Message)}
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, stalled.Reason, stalled.Message
		set(conditions, generation, stalled)
	} else {
		meta.RemoveStatusCondition(conditions, conditionStalled)
	}
	set(conditions, generation, ready)
}

// reconciling is the condition while work goes on, nil where none does.
func (v Verdict) reconciling() *metav1.Condition {
	condition := metav1.Condition{Type: conditionReconciling, Status: metav1.ConditionTrue}
	switch {
	case v.Failed != nil:
		condition.Reason, condition.Message = reasonRetrying, Brief(v.Failed.Error())
	case v.Waiting != nil:
		condition.Reason, condition.Message = v.Waiting.Reason, Brief(v.Waiting.Message)
	default:
		return nil
	}
	return &condition
}

func set(conditions *[]metav1.Condition, generation int64, condition metav1.Condition) {
	condition.ObservedGeneration = generation
	meta.SetStatusCondition(conditions, condition)
}
