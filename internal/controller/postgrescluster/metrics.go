package postgrescluster

import (
	"errors"

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
		phases: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "timonier_reconcile_phases_total",
			Help: "Phases of reconciles by how they ended: done, wait, stalled, failed, skipped."}, []string{"phase", "outcome"}),
	}
	var failures error
	for _, collector := range []prometheus.Collector{m.condition, m.instances, m.phases} {
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
	m.forget(types.NamespacedName{Namespace: cluster.Namespace, Name: cluster.Name})
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
}

func (m *Metrics) forget(key types.NamespacedName) {
	labels := prometheus.Labels{"namespace": key.Namespace, "cluster": key.Name}
	m.condition.DeletePartialMatch(labels)
	m.instances.DeletePartialMatch(labels)
}

func hasCondition(conditions []metav1.Condition, kind string) bool {
	for i := range conditions {
		if conditions[i].Type == kind {
			return true
		}
	}
	return false
}
