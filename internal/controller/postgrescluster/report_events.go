package postgrescluster

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile"
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
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionAvailable, v1alpha1.ConditionStalled, v1alpha1.ConditionDegraded} {
		was, is := meta.FindStatusCondition(before, kind), meta.FindStatusCondition(after, kind)
		if is == nil || (was != nil && was.Status == is.Status && was.Reason == is.Reason) {
			continue
		}
		if severity, tell := severityOf(kind, is.Status, was); tell {
			r.Events.Eventf(cluster, nil, severity, is.Reason, "Reconcile", "%s", is.Message)
		}
	}
}

// severityOf a change of a condition: good news is normal, what a person must act on is a warning, and what merely
// goes on is not told.
func severityOf(kind string, status metav1.ConditionStatus, was *metav1.Condition) (severity string, tell bool) {
	good := kind == v1alpha1.ConditionReady || kind == v1alpha1.ConditionAvailable
	switch {
	case good && status == metav1.ConditionTrue:
		return corev1.EventTypeNormal, true
	case kind == v1alpha1.ConditionAvailable:
		return corev1.EventTypeWarning, was != nil && was.Status == metav1.ConditionTrue
	case !good && status == metav1.ConditionTrue:
		return corev1.EventTypeWarning, true
	default:
		return "", false
	}
}
