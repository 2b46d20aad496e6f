package postgrescluster

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// Metrics of all clusters, for the operator's registry.
type Metrics struct {
	condition *prometheus.Desc
	instances *prometheus.Desc
	term      *prometheus.Desc
	quorum    *prometheus.Desc
	failovers *prometheus.CounterVec
	durations *prometheus.HistogramVec
	phases    *prometheus.CounterVec
	// Of every kind alike.
	managed   *prometheus.Desc
	since     *prometheus.Desc
	suspended *prometheus.Desc
	entries   *prometheus.CounterVec
	expire    *prometheus.Desc

	mutex sync.Mutex
	// shown are the gauges that each cluster has now, as they are collected: a GaugeVec would keep ten KiB for a cluster, and a cluster's would have to be
	// looked for among all others'.
	shown map[types.NamespacedName][]sample
}

// sample is one series of a gauge.
type sample struct {
	of     *prometheus.Desc
	value  float64
	labels []string
}

// show a gauge of this cluster, until it is cleared.
func (m *Metrics) show(cluster *v1alpha1.PostgresCluster, of *prometheus.Desc, value float64, labels ...string) {
	key := types.NamespacedName{Namespace: cluster.Namespace, Name: cluster.Name}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.shown == nil {
		m.shown = map[types.NamespacedName][]sample{}
	}
	// Two of the same labels would keep all metrics from being collected.
	same := func(s sample) bool { return s.of == of && slices.Equal(s.labels, labels) }
	m.shown[key] = append(slices.DeleteFunc(m.shown[key], same), sample{of, value, labels})
}

// Describe the gauges.
func (m *Metrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, gauge := range []*prometheus.Desc{m.condition, m.instances, m.term, m.quorum, m.managed, m.since, m.suspended, m.expire} {
		descriptions <- gauge
	}
}

// Collect them.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, samples := range m.shown {
		for _, s := range samples {
			metrics <- prometheus.MustNewConstMetric(s.of, prometheus.GaugeValue, s.value, s.labels...)
		}
	}
}

// NewMetrics registers them.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	labels, resourceLabels := []string{"namespace", "cluster"}, []string{"kind", "namespace", "name"}
	m := &Metrics{
		condition: prometheus.NewDesc("timonier_cluster_condition",
			"1 for the status and reason that a condition of a PostgresCluster has.", append(labels, "type", "status", "reason"), nil),
		instances: prometheus.NewDesc("timonier_cluster_instances",
			"Instances of a PostgresCluster, wanted and ready.", append(labels, "state"), nil),
		term: prometheus.NewDesc("timonier_cluster_term",
			"Term of a PostgresCluster's Lease: it grows by one with each new primary.", labels, nil),
		quorum: prometheus.NewDesc("timonier_cluster_quorum",
			"Of the published quorum of a PostgresCluster: members, required (on how many members a commit is flushed), and wanted (how many it should be).",
			append(labels, "count"), nil),
		failovers: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "timonier_cluster_failovers_total",
			Help: "Changes of the primary of a PostgresCluster that this operator saw, by cause; Handover is a switchover."}, append(labels, "cause")),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "timonier_cluster_failover_duration_seconds",
			Help:    "Time from the first sign that the former primary is gone until the new one lets clients in.",
			Buckets: []float64{0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 10, 15, 30, 60, 300}}, append(labels, "cause")),
		phases: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "timonier_reconcile_phases_total",
			Help: "Phases of reconciles by how they ended: done, wait, stalled, failed, skipped, suspended."}, []string{"phase", "outcome"}),
		managed: prometheus.NewDesc("timonier_resource_management_state",
			"1 for the management state that is in force for a resource: Managed, Unmanaged or Removed.", append(resourceLabels, "state"), nil),
		since: prometheus.NewDesc("timonier_resource_management_state_since_timestamp_seconds",
			"When the management state of a resource came into force, in seconds since 1970.", resourceLabels, nil),
		suspended: prometheus.NewDesc("timonier_resource_quarantined",
			"1 for each phase of the work on a resource that is in quarantine, with the reason it failed for.", append(resourceLabels, "phase", "reason"), nil),
		entries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "timonier_resource_quarantine_entries_total",
			Help: "How often a phase of the work on a resource was put into quarantine, or back into it."}, append(resourceLabels, "phase")),
		expire: prometheus.NewDesc("timonier_cluster_certificates_expire_timestamp_seconds",
			"When the first of the certificates that a PostgresCluster's instances use expires, in seconds since 1970.", labels, nil),
	}
	var failures error
	for _, collector := range []prometheus.Collector{m, m.failovers, m.durations, m.phases, m.entries} {
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
		m.show(cluster, m.condition, 1, cluster.Namespace, cluster.Name, condition.Type, string(condition.Status), condition.Reason)
	}
	for _, absent := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionDegraded} {
		if !hasCondition(status.Conditions, absent) {
			m.show(cluster, m.condition, 1, cluster.Namespace, cluster.Name, absent, string(metav1.ConditionFalse), "")
		}
	}
	m.show(cluster, m.instances, float64(wanted), cluster.Namespace, cluster.Name, "wanted")
	m.show(cluster, m.instances, float64(readyInstances(status.Instances)), cluster.Namespace, cluster.Name, "ready")
	if availability := status.Availability; availability != nil && availability.Quorum != nil {
		m.show(cluster, m.term, float64(availability.Term), cluster.Namespace, cluster.Name)
		for count, value := range map[string]int{"members": len(availability.Quorum.Members), "required": int(availability.Quorum.Required),
			"wanted": int(availability.Effective.SynchronousStandbys) + 1} {
			m.show(cluster, m.quorum, float64(value), cluster.Namespace, cluster.Name, count)
		}
	}
}

// steering of a cluster, and what of it is in quarantine.
func (m *Metrics) steering(cluster *v1alpha1.PostgresCluster, status v1alpha1.PostgresClusterStatus) {
	m.show(cluster, m.managed, 1, kind, cluster.Namespace, cluster.Name, string(status.ManagementState))
	if status.Management.Since != nil {
		m.show(cluster, m.since, float64(status.Management.Since.Unix()), kind, cluster.Namespace, cluster.Name)
	}
	for _, entry := range status.Quarantine {
		m.show(cluster, m.suspended, 1, kind, cluster.Namespace, cluster.Name, entry.Phase, entry.Reason)
	}
	if status.Certificates.ExpiresAt != nil {
		m.show(cluster, m.expire, float64(status.Certificates.ExpiresAt.Unix()), cluster.Namespace, cluster.Name)
	}
}

// kind of the resource, in the metrics that all kinds have.
const kind = "PostgresCluster"

// quarantined is counted where it is seen.
func (m *Metrics) quarantined(cluster *v1alpha1.PostgresCluster, phase string) {
	m.entries.WithLabelValues(kind, cluster.Namespace, cluster.Name, phase).Inc()
}

// failover is counted where it is seen.
func (m *Metrics) failover(cluster *v1alpha1.PostgresCluster, cause string, took time.Duration) {
	m.failovers.WithLabelValues(cluster.Namespace, cluster.Name, cause).Inc()
	m.durations.WithLabelValues(cluster.Namespace, cluster.Name, cause).Observe(took.Seconds())
}

// clear what is written anew with each status.
func (m *Metrics) clear(key types.NamespacedName) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	delete(m.shown, key)
}

// forget a cluster that is gone.
func (m *Metrics) forget(key types.NamespacedName) {
	m.clear(key)
	labels := prometheus.Labels{"namespace": key.Namespace, "cluster": key.Name}
	m.failovers.DeletePartialMatch(labels)
	m.durations.DeletePartialMatch(labels)
	m.entries.DeletePartialMatch(resourceOf(key))
}

func resourceOf(key types.NamespacedName) prometheus.Labels {
	return prometheus.Labels{"kind": kind, "namespace": key.Namespace, "name": key.Name}
}

func hasCondition(conditions []metav1.Condition, kind string) bool {
	for i := range conditions {
		if conditions[i].Type == kind {
			return true
		}
	}
	return false
}
