package postgrescluster

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// Metrics of all clusters, for the operator's registry.
type Metrics struct {
	condition *prometheus.GaugeVec
	instances *prometheus.GaugeVec
	term      *prometheus.GaugeVec
	quorum    *prometheus.GaugeVec
	failovers *prometheus.CounterVec
	durations *prometheus.HistogramVec
	phases    *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	labels := []string{"namespace", "cluster"}
	m := &Metrics{
		condition: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "timonier_cluster_condition",
			Help: "1 for the status and reason that a condition of a PostgresCluster has."}, append(labels, "type", "status", "reason")),
		instances: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "timonier_cluster_instances",
			Help: "Instances of a PostgresCluster, wanted and ready."}, append(labels, "state")),
		term: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "timonier_cluster_term",
			Help: "Term of a PostgresCluster's Lease: it grows by one with each new primary."}, labels),
		quorum: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "timonier_cluster_quorum",
			Help: "Of the published quorum of a PostgresCluster: members, required (on how many members a commit is flushed), and wanted (how many it should be)."},
			append(labels, "count")),
		failovers: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "timonier_cluster_failovers_total",
			Help: "Changes of the primary of a PostgresCluster that this operator saw, by cause; Handover is a switchover."}, append(labels, "cause")),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "timonier_cluster_failover_duration_seconds",
			Help:    "Time from the first sign that the former primary is gone until the new one lets clients in.",
			Buckets: []float64{0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 10, 15, 30, 60, 300}}, append(labels, "cause")),
		phases: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "timonier_reconcile_phases_total",
			Help: "Phases of reconciles by how they ended: done, wait, stalled, failed, skipped."}, []string{"phase", "outcome"}),
	}
	var failures error
	for _, collector := range []prometheus.Collector{m.condition, m.instances, m.term, m.quorum, m.failovers, m.durations, m.phases} {
		failures = errors.Join(failures, registry.Register(collector))
	}
	return m, failures
}

func (m *Metrics) outcomes(outcomes []reconcile.Outcome) {
	for _, outcome := range outcomes {
		m.phases.WithLabelValues(outcome.Phase, outcome.Kind()).Inc()
	}
}

func (m *Metrics) status(cluster *v1alpha1.PostgresCluster, status v1alpha1.PostgresClusterStatus, wanted int) {
	m.clear(types.NamespacedName{Namespace: cluster.Namespace, Name: cluster.Name})
	for _, condition := range status.Conditions {
		m.condition.WithLabelValues(cluster.Namespace, cluster.Name, condition.Type, string(condition.Status), condition.Reason).Set(1)
	}
	for _, absent := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionDegraded} {
		if !hasCondition(status.Conditions, absent) {
			m.condition.WithLabelValues(cluster.Namespace, cluster.Name, absent, string(metav1.ConditionFalse), "").Set(1)
		}
	}
	m.instances.WithLabelValues(cluster.Namespace, cluster.Name, "wanted").Set(float64(wanted))
	m.instances.WithLabelValues(cluster.Namespace, cluster.Name, "ready").Set(float64(readyInstances(status.Instances)))
	if availability := status.Availability; availability != nil && availability.Quorum != nil {
		m.term.WithLabelValues(cluster.Namespace, cluster.Name).Set(float64(availability.Term))
		for count, value := range map[string]int{"members": len(availability.Quorum.Members), "required": int(availability.Quorum.Required),
			"wanted": int(availability.Effective.SynchronousStandbys) + 1} {
			m.quorum.WithLabelValues(cluster.Namespace, cluster.Name, count).Set(float64(value))
		}
	}
}

// failover is counted where it is seen.
func (m *Metrics) failover(cluster *v1alpha1.PostgresCluster, cause string, took time.Duration) {
	m.failovers.WithLabelValues(cluster.Namespace, cluster.Name, cause).Inc()
	m.durations.WithLabelValues(cluster.Namespace, cluster.Name, cause).Observe(took.Seconds())
}

// clear what is written anew with each status.
func (m *Metrics) clear(key types.NamespacedName) {
	labels := prometheus.Labels{"namespace": key.Namespace, "cluster": key.Name}
	for _, gauge := range []*prometheus.GaugeVec{m.condition, m.instances, m.term, m.quorum} {
		gauge.DeletePartialMatch(labels)
	}
}

// forget a cluster that is gone.
func (m *Metrics) forget(key types.NamespacedName) {
	m.clear(key)
	labels := prometheus.Labels{"namespace": key.Namespace, "cluster": key.Name}
	m.failovers.DeletePartialMatch(labels)
	m.durations.DeletePartialMatch(labels)
}

func hasCondition(conditions []metav1.Condition, kind string) bool {
	for i := range conditions {
		if conditions[i].Type == kind {
			return true
		}
	}
	return false
}
