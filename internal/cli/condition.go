package cli

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// runbooks are the pages in docs/runbooks, each named for a condition's reason.
func runbooks() []string {
	return []string{"AccessFailed", "CannotFollow", "CannotInitialise", "CertificatesExpire", "CommitWaitsCancelled", "DataMissing", "DriftReported", "Failover", "ForeignSystem", "HandsOff", "ImagePullFailed", "ImageUnknown", "ImageVersionMismatch",
		"InstanceUnready", "InvalidSpec", "Irreparable", "LaterData", "LeaseIgnored", "NameTaken", "NoPrimary", "NodeLost", "OperatorNewer", "Panicked", "ParameterRejected",
		"RetriesExhausted", "Retrying", "SecretMissing", "SharedFailure",
		"StorageClassUnusable", "TooFewStandbys", "Unschedulable", "VolumesMissing"}
}

// runbook for a condition, "" where there is none.
func runbook(condition metav1.Condition) string {
	if slices.Contains(runbooks(), condition.Reason) {
		return "docs/runbooks/" + condition.Reason + ".md"
	}
	return ""
}

// standing of a condition: what matters most comes first.
type standing int

const (
	standsBad standing = iota
	standsUnderWay
	standsWell
)

func standingOf(condition metav1.Condition) standing {
	isTrue := condition.Status == metav1.ConditionTrue
	switch condition.Type {
	case v1alpha1.ConditionStalled, v1alpha1.ConditionDegraded, v1alpha1.ConditionQuarantined, v1alpha1.ConditionCertificatesExpire:
		if isTrue {
			return standsBad
		}
		return standsWell
	case v1alpha1.ConditionReconciling, v1alpha1.ConditionRemovePending:
		if !isTrue {
			return standsWell
		}
		return standsUnderWay
	}
	switch {
	case isTrue || condition.Reason == v1alpha1.ReasonHibernated:
		return standsWell
	case condition.Type == v1alpha1.ConditionAvailable:
		return standsBad
	case condition.Reason == v1alpha1.ReasonAsynchronous || condition.Reason == v1alpha1.ReasonSingleInstance:
		return standsWell // as asked for
	case condition.Type == v1alpha1.ConditionSynchronous && condition.Reason == v1alpha1.ReasonTooFewStandbys:
		return standsBad
	}
	return standsUnderWay
}

// sorted conditions: the worst first, and of these what hurts applications before what hurts people.
func sorted(conditions []metav1.Condition) []metav1.Condition {
	order := []string{v1alpha1.ConditionAvailable, v1alpha1.ConditionQuarantined, v1alpha1.ConditionStalled, v1alpha1.ConditionDegraded,
		v1alpha1.ConditionCertificatesExpire, v1alpha1.ConditionSynchronous, v1alpha1.ConditionRemovePending, v1alpha1.ConditionManaged,
		v1alpha1.ConditionReady, v1alpha1.ConditionReconciling}
	ordered := slices.Clone(conditions)
	slices.SortStableFunc(ordered, func(a, b metav1.Condition) int {
		if byStanding := int(standingOf(a)) - int(standingOf(b)); byStanding != 0 {
			return byStanding
		}
		return slices.Index(order, a.Type) - slices.Index(order, b.Type)
	})
	return ordered
}

// Well tells whether writes work and nobody needs to act.
func (o *Overview) Well() bool {
	return len(o.Cluster.Status.Conditions) > 0 && !slices.ContainsFunc(o.Cluster.Status.Conditions, func(c metav1.Condition) bool { return standingOf(c) == standsBad })
}
