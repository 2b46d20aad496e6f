package postgrescluster

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/reconcile"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

// note is something that was done or seen, for people.
type note struct {
	message, reason string
}

// note keeps it for the report.
func (s *scope) note(message, reason string) {
	s.notes = append(s.notes, note{message, reason})
}

// tellNotes as events.
func (r *Reconciler) tellNotes(s *scope) {
	for _, note := range s.notes {
		r.Events.Eventf(s.cluster, nil, corev1.EventTypeNormal, note.reason, "Reconcile", "%s", reconcile.Brief(note.message))
	}
}

// tellOfConditions tells as events what has changed in a way that people care for, in the conditions' own words.
func (r *Reconciler) tellOfConditions(cluster *v1alpha1.PostgresCluster, before, after []metav1.Condition) {
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionAvailable, v1alpha1.ConditionSynchronous,
		v1alpha1.ConditionStalled, v1alpha1.ConditionDegraded, v1alpha1.ConditionCertificatesExpire} {
		was, is := meta.FindStatusCondition(before, kind), meta.FindStatusCondition(after, kind)
		counts := is != nil && is.Type == v1alpha1.ConditionDegraded && is.Reason == v1alpha1.ReasonHandsOff
		if is == nil || (was != nil && was.Status == is.Status && was.Reason == is.Reason && (!counts || !fewer(is.Message, was.Message))) {
			continue
		}
		if is.Reason == v1alpha1.ReasonRetriesExhausted || is.Reason == v1alpha1.ReasonPanicked {
			continue // tellOfQuarantine does, each time that something is put there
		}
		if severity, tell := severityOf(is, was); tell {
			action := "Reconcile"
			if counts {
				action = handsOffAction(is.Message) // of two events of one reason and action within minutes only the first one's text is kept
			}
			r.Events.Eventf(cluster, nil, severity, is.Reason, action, "%s", is.Message)
		}
	}
}

// fewer tells whether one instance more is missing than before, while nobody replaces it: that is news.
func fewer(is, was string) bool {
	var now, before int
	_, errNow := fmt.Sscanf(is, "%d of", &now)
	_, errBefore := fmt.Sscanf(was, "%d of", &before)
	return errNow == nil && errBefore == nil && now < before
}

// handsOffAction has the count of "2 of 3, hands off".
func handsOffAction(message string) string {
	count, _, _ := strings.Cut(message, ",")
	return "Leave" + strings.ReplaceAll(count, " ", "")
}

// severityOf a change of a condition: good news is normal, what a person must act on is a warning, and what merely
// goes on is not told.
func severityOf(is, was *metav1.Condition) (severity string, tell bool) {
	good := is.Type == v1alpha1.ConditionReady || is.Type == v1alpha1.ConditionAvailable
	switch {
	case is.Type == v1alpha1.ConditionSynchronous && is.Reason == v1alpha1.ReasonTooFewStandbys:
		// While a cluster is made they are on their way.
		return corev1.EventTypeWarning, was != nil && was.Status == metav1.ConditionTrue
	case is.Type == v1alpha1.ConditionSynchronous:
		return corev1.EventTypeNormal, is.Status == metav1.ConditionTrue
	case good && is.Status == metav1.ConditionTrue:
		return corev1.EventTypeNormal, true
	case is.Type == v1alpha1.ConditionAvailable:
		return corev1.EventTypeWarning, was != nil && was.Status == metav1.ConditionTrue
	case !good && is.Status == metav1.ConditionTrue:
		return corev1.EventTypeWarning, true
	default:
		return "", false
	}
}

// tellOfFailover as an event and in the metrics, once for each term: when the new primary has let clients in. Of two events of one reason about the same
// objects within minutes only the first one's text is kept; so it is about the new primary's pod, too.
func (r *Reconciler) tellOfFailover(s *scope, before, after *v1alpha1.AvailabilityStatus) {
	if !newlyLed(before, after) {
		return
	}
	last := after.LastFailover
	took := time.Duration(*last.DurationMilliseconds) * time.Millisecond
	r.Metrics.failover(s.cluster, last.Cause, took)
	if last.Cause == election.CauseHandover {
		r.Events.Eventf(s.cluster, s.pod(last.To), corev1.EventTypeNormal, v1alpha1.ReasonSwitchover, "Reconcile",
			"%s handed over to %s within %s (term %d)", last.From, last.To, took, after.Term)
		return
	}
	r.Events.Eventf(s.cluster, s.pod(last.To), corev1.EventTypeWarning, v1alpha1.ReasonFailover, "Reconcile",
		"%s leads in place of %s: %s; %s from the first sign of it until clients were let in (term %d)", last.To, last.From, last.Cause, took, after.Term)
}

// tellOfCancelled tells as events of commits that were returned too early. Each is about the pod too, for that keeps it apart from those of others.
func (r *Reconciler) tellOfCancelled(s *scope, before, after *v1alpha1.AvailabilityStatus) {
	if after == nil {
		return
	}
	var former []v1alpha1.CancelledWaits
	if before != nil {
		former = before.CancelledWaits
	}
	for _, waits := range after.CancelledWaits {
		message := cancelledMessage(former, waits)
		if message == "" {
			continue
		}
		r.Events.Eventf(s.cluster, s.pod(waits.Instance), corev1.EventTypeWarning, v1alpha1.ReasonCommitWaitsCancelled, "Reconcile", "%s", message)
	}
}

// pod of an instance, for an event to be about; nil where there is none.
func (s *scope) pod(instance string) runtime.Object {
	if pod := s.observed.pods[instance]; pod != nil {
		return pod
	}
	return nil
}

// newlyLed tells whether the status shows for the first time that a term's primary has let clients in. A cluster whose status says nothing of
// terms yet is looked at for the first time: what it went through before is not news.
func newlyLed(before, after *v1alpha1.AvailabilityStatus) bool {
	if before == nil || after == nil || after.LastFailover == nil || after.LastFailover.DurationMilliseconds == nil {
		return false
	}
	// A leader that writes a lost Lease again leads in another term, and since the same failover.
	was, is := before.LastFailover, after.LastFailover
	return was == nil || was.DurationMilliseconds == nil || !was.At.Equal(&is.At) || was.To != is.To
}

// tellOfSteering as an event on each change of who steers the cluster.
func (r *Reconciler) tellOfSteering(cluster *v1alpha1.PostgresCluster, before, after v1alpha1.PostgresClusterStatus) {
	if from := after.Management.TakenOverFrom; from != "" && from != before.Management.TakenOverFrom {
		r.Events.Eventf(cluster, nil, corev1.EventTypeWarning, v1alpha1.ReasonTakenOver, "Reconcile",
			"what is left alone was managed last by version %s of the operator, and this is %s: it is not supported until it is handed back", from, r.Keeper.Version)
	}
	if added := without(after.Management.LeftAlone, before.Management.LeftAlone); len(added) > 0 && after.ManagementState == contract.Managed {
		r.Events.Eventf(cluster, nil, corev1.EventTypeWarning, v1alpha1.ReasonLeftAlone, "Reconcile",
			"%s: left alone from now on, by spec.overrides of the Platform; the rest of the cluster is managed", someOf(added))
	}
	was, is := meta.FindStatusCondition(before.Conditions, v1alpha1.ConditionManaged), meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionManaged)
	if is == nil || was != nil && was.Status == is.Status && was.Reason == is.Reason || was == nil && is.Status == metav1.ConditionTrue {
		return
	}
	if is.Reason == v1alpha1.ReasonDriftReported {
		return // tellOfDrift has
	}
	severity := corev1.EventTypeNormal
	if is.Status == metav1.ConditionFalse {
		severity = corev1.EventTypeWarning
	}
	r.Events.Eventf(cluster, nil, severity, is.Reason, "Reconcile", "%s", is.Message)
}

// without those that others has too.
func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(others, name) })
}

// tellOfQuarantine as events: what is tried again and why, and what succeeded. That something went there is the event of its condition.
func (r *Reconciler) tellOfQuarantine(cluster *v1alpha1.PostgresCluster, released []quarantine.Release, changes quarantine.Changes) {
	for _, release := range released {
		r.Events.Eventf(cluster, nil, corev1.EventTypeNormal, v1alpha1.ReasonReleased, "Reconcile", "phase %s is tried again: %s", release.Phase, release.Why)
	}
	for _, entry := range changes.Entered {
		r.Metrics.quarantined(cluster, entry.Phase)
		r.Events.Eventf(cluster, nil, corev1.EventTypeWarning, quarantineReason(entry), "Reconcile", "phase %s is suspended after %d failures, until it is mended or tried again: %s", entry.Phase, entry.Count, entry.Message)
	}
	for _, phase := range changes.Recovered {
		r.Events.Eventf(cluster, nil, corev1.EventTypeNormal, v1alpha1.ReasonRecovered, "Reconcile", "phase %s succeeds again", phase)
	}
}

func quarantineReason(entry contract.Quarantine) string {
	if entry.Reason == reconcile.ReasonPanic {
		return v1alpha1.ReasonPanicked
	}
	return v1alpha1.ReasonRetriesExhausted
}
