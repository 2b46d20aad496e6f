package postgresoperation

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// handsOff has an operation that was begun wait for as long as the cluster is left alone.
func (f facts) handsOff(then string) step {
	waits := f.step(verbWait, v1alpha1.ReasonClusterUnmanaged, "%s is left alone, by %s: %s", f.spec.ClusterRef.Name, f.cluster.unmanaged, then)
	waits.after = unmanagedAgain
	return waits
}

// resume an operation that was begun, and waited until the cluster was handed back: its time limits begin anew. One that was begun meanwhile ends first.
func (f facts) resume() step {
	if f.rival != "" {
		return f.step(verbWait, v1alpha1.ReasonOperationRunning, "%s is managed again, and the operation %s runs: this one goes on when that has ended", f.spec.ClusterRef.Name, f.rival)
	}
	f.status.ResumedAt = at(f.now)
	return f.step(verbRemember, f.running(), "%s is managed again: it goes on", f.spec.ClusterRef.Name)
}

// hasWaited tells by its conditions whether the operation has waited for the cluster to be handed back, and not gone on since.
func (f facts) hasWaited(condition string) bool {
	found := meta.FindStatusCondition(f.status.Conditions, condition)
	return found != nil && waitsForHandsOff(found)
}

// waitsForHandsOff tells whether a condition is of an operation that waits for the cluster to be handed back, or after that for its turn.
func waitsForHandsOff(condition *metav1.Condition) bool {
	switch condition.Type {
	case v1alpha1.ConditionAccepted:
		return condition.Status == metav1.ConditionUnknown && waitsFor(condition.Reason)
	case v1alpha1.ConditionRunning:
		return condition.Status == metav1.ConditionTrue && waitsFor(condition.Reason)
	}
	return false
}

func waitsFor(reason string) bool {
	return reason == v1alpha1.ReasonClusterUnmanaged || reason == v1alpha1.ReasonOperationRunning
}

// leftAlone names Secrets that were not written, for people.
func leftAlone(secrets []string) string {
	const named = 5
	more := ""
	if len(secrets) > named {
		more = fmt.Sprintf(" and %d more", len(secrets)-named)
	}
	return fmt.Sprint(secrets[:min(len(secrets), named)]) + more
}
