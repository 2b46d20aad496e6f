package postgrescluster

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// failuresOf a status.
func failuresOf(status v1alpha1.PostgresClusterStatus) contract.FailureStatus {
	return contract.FailureStatus{Failures: status.Failures, Quarantine: status.Quarantine, Released: status.Released}
}

// setSteering writes who steers the cluster, and since when. What was honoured last stays while it is left alone.
func (s *scope) setSteering(status *v1alpha1.PostgresClusterStatus, version string, reached bool) {
	if status.ManagementState != s.steering.state || status.Management.Since == nil {
		status.Management.Since = &metav1.Time{Time: s.now.Truncate(time.Second)}
	}
	status.ManagementState, status.Management.By = s.steering.state, s.steering.by
	leftAlone := union(s.leftAlone, s.held)
	status.Management.LeftAlone = leftAlone[:min(len(leftAlone), leftAloneShown)]
	status.Management.TakenOverFrom = s.steering.takenOverFrom
	s.setDrift(status)
	if s.steering.state != contract.Unmanaged {
		status.OperatorVersion = version
	}
	if s.steering.state == contract.Managed && reached {
		status.Management.HonouredGeneration = s.cluster.Generation
	}
	managed := metav1.Condition{Type: v1alpha1.ConditionManaged, Status: metav1.ConditionTrue, Reason: s.steering.reason, Message: reconcile.Brief(s.steering.message), ObservedGeneration: s.cluster.Generation}
	if s.steering.state != contract.Managed {
		managed.Status = metav1.ConditionFalse
		managed.Message = reconcile.Brief(fmt.Sprintf("%s. Generation %d of the spec was the last that was brought into force, and this is %d",
			s.steering.message, status.Management.HonouredGeneration, s.cluster.Generation))
	}
	meta.SetStatusCondition(&status.Conditions, managed)
}

// setDrift writes what was found to differ. What was found before stays, unless it was looked for again: it is what was put back.
func (s *scope) setDrift(status *v1alpha1.PostgresClusterStatus) {
	status.Management.Told = s.told
	if s.drifted {
		status.Management.Drift, status.Management.DriftedFields = s.drift[:min(len(s.drift), driftShown)], int32(len(s.drift)) //nolint:gosec // some thousand at most
	}
}

// reportDrift writes what a person has changed, and tells it as an event. Nothing is done in this round: the next one, which reads that it was told, puts it
// back. It is written over nothing but what this round has read, so that a round with an old cache neither tells it twice nor takes it away.
func (r *Reconciler) reportDrift(ctx context.Context, s *scope) (ctrl.Result, error) {
	status := *s.cluster.Status.DeepCopy()
	s.setDrift(&status)
	err := r.writeStatus(ctx, s.cluster, status)
	if apierrors.IsConflict(err) {
		// The event of its newer version brings us back, unless it came before this one was begun.
		return ctrl.Result{RequeueAfter: soon}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	r.tellOfDrift(s)
	// The event of this write brings us back.
	return ctrl.Result{}, nil
}

// tellOfDrift as an event, that is about the child where one is handed back.
func (r *Reconciler) tellOfDrift(s *scope) {
	var child runtime.Object
	if len(s.told.Children) > 0 {
		first := s.child(s.told.Children[0])
		child = &metav1.PartialObjectMetadata{
			TypeMeta:   metav1.TypeMeta{Kind: first.Kind, APIVersion: apiVersionOf(first.Kind)},
			ObjectMeta: metav1.ObjectMeta{Namespace: first.Namespace, Name: first.Name},
		}
	}
	severity, reason := corev1.EventTypeNormal, v1alpha1.ReasonHandedBack
	if s.reportsOnly() && len(s.drift) > 0 {
		severity, reason = corev1.EventTypeWarning, v1alpha1.ReasonDriftReported
	}
	r.Events.Eventf(s.cluster, child, severity, reason, "HandBack", "%s", reconcile.Brief(handedBack(s.told.Children, s.drift, s.reportsOnly())))
}

// setUnsteered says what is so of a cluster that nobody steers: whether the spec is reached is not known of one that is left alone, and it is not of one that
// is taken away.
func (s *scope) setUnsteered(conditions *[]metav1.Condition, verdict reconcile.Verdict) {
	ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionUnknown, Reason: s.steering.reason, Message: s.steering.message, ObservedGeneration: s.cluster.Generation}
	switch {
	case s.steering.state == contract.Managed:
		return
	case s.steering.state == contract.Unmanaged:
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionStalled)
		if verdict.Failed == nil { // what is done for it all the same, as to renew certificates on request, may fail
			meta.RemoveStatusCondition(conditions, v1alpha1.ConditionReconciling)
		}
	case s.removed:
		ready.Status, ready.Message = metav1.ConditionFalse, "all is taken away but the volumes; set spec.managementState to Managed to have it back"
		if !s.keepsVolumes() {
			ready.Message = "all is taken away, with the volumes"
		}
	default:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, v1alpha1.ReasonRemoving, "the cluster is being taken away"
		if verdict.Waiting != nil {
			ready.Message = verdict.Waiting.Message
		}
		if verdict.Stalled != nil {
			ready.Reason, ready.Message = verdict.Stalled.Reason, verdict.Stalled.Message
		}
	}
	meta.SetStatusCondition(conditions, ready)
}

// setRemovePending while it is being taken away, or waits for a person to confirm that.
func (s *scope) setRemovePending(conditions *[]metav1.Condition) {
	pending := metav1.Condition{Type: v1alpha1.ConditionRemovePending, Status: metav1.ConditionTrue, ObservedGeneration: s.cluster.Generation}
	switch {
	case s.steering.pending:
		pending.Reason = v1alpha1.ReasonConfirmationMissing
		volumes := "its volumes are kept"
		if !s.keepsVolumes() {
			volumes = "ITS VOLUMES ARE DELETED, as storage.retentionPolicy.whenDeleted says"
		}
		before := "managed"
		if s.steering.state == contract.Unmanaged {
			before = "left alone"
		}
		pending.Message = fmt.Sprintf("pods, services and all else of the cluster are taken away, and %s, once spec.removalConfirmation is %s. Until then it is %s as before", volumes, s.cluster.Name, before)
	case s.steering.state == contract.Removed && !s.removed:
		pending.Reason, pending.Message = v1alpha1.ReasonRemoving, "instances stop, the primary last; then all else goes"
	default:
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionRemovePending)
		return
	}
	meta.SetStatusCondition(conditions, pending)
}

// instancesFormat is how the status tells of how many instances are ready of how many.
const instancesFormat = "%d/%d"

// wantedBefore is of how many a status told.
func wantedBefore(summary string) (wanted int, known bool) {
	var ready int
	read, _ := fmt.Sscanf(summary, instancesFormat, &ready, &wanted)
	return wanted, read == 2
}

// setHandsOffDegraded says what is missing in a cluster that is left alone, for nobody mends it.
func (s *scope) setHandsOffDegraded(conditions *[]metav1.Condition, instances []v1alpha1.InstanceStatus) {
	if s.steering.state != contract.Unmanaged {
		return
	}
	degraded := metav1.Condition{Type: v1alpha1.ConditionDegraded, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonHandsOff, ObservedGeneration: s.cluster.Generation}
	ready, wanted := readyInstances(instances), s.instancesWanted()
	if ready >= wanted {
		return // setDegraded has said all that there is to say
	}
	degraded.Message = fmt.Sprintf("%d of %d, hands off: instances that are missing or not ready are not replaced while the cluster is left alone, by %s", ready, wanted, s.steering.by)
	meta.SetStatusCondition(conditions, degraded)
}

// setQuarantined says what is suspended, and that a person must act.
func (s *scope) setQuarantined(conditions *[]metav1.Condition) {
	quarantined := reconcile.Quarantined(s.cluster.Namespace, s.cluster.Name, s.failures)
	if quarantined == nil {
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionQuarantined)
		return
	}
	quarantined.ObservedGeneration = s.cluster.Generation
	meta.SetStatusCondition(conditions, *quarantined)
}

// labelQuarantined keeps the label by which all that is in quarantine is found.
func (r *Reconciler) labelQuarantined(ctx context.Context, s *scope) error {
	wanted := len(s.failures.Quarantine) > 0
	if _, has := s.cluster.Labels[naming.LabelQuarantined]; has == wanted {
		return nil
	}
	changed := s.cluster.DeepCopy()
	if wanted {
		if changed.Labels == nil {
			changed.Labels = map[string]string{}
		}
		changed.Labels[naming.LabelQuarantined] = "true"
	} else {
		delete(changed.Labels, naming.LabelQuarantined)
	}
	if err := r.Client.Patch(ctx, changed, client.MergeFrom(s.cluster), client.FieldOwner(fieldOwner+"-metadata")); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("label of %s: %w", s.cluster.Name, err)
	}
	return nil
}
