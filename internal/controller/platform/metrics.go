package platform

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

// Metrics of the platform, for the operator's registry.
type Metrics struct {
	blockers prometheus.Gauge
	shared   *sharedFailures
}

// NewMetrics registers them. shared is, by kind, what most of its resources fail by.
func NewMetrics(registry prometheus.Registerer, shared func() map[string]quarantine.Common) (*Metrics, error) {
	m := &Metrics{
		blockers: prometheus.NewGauge(prometheus.GaugeOpts{Name: "timonier_platform_upgrade_blockers",
			Help: "Resources and overrides that are left alone, and so prevent an upgrade of the operator, whether or not there is a Platform."}),
		shared: &sharedFailures{shared, prometheus.NewDesc("timonier_operator_shared_failure",
			"How many resources of a kind fail for the same reason, where these are most: the cause is the operator's or the Kubernetes cluster's.", []string{"kind", "reason"}, nil)},
	}
	return m, errors.Join(registry.Register(m.blockers), registry.Register(m.shared))
}

// sharedFailures are looked up when they are asked for.
type sharedFailures struct {
	shared func() map[string]quarantine.Common
	desc   *prometheus.Desc
}

func (s *sharedFailures) Describe(descs chan<- *prometheus.Desc) { descs <- s.desc }

func (s *sharedFailures) Collect(metrics chan<- prometheus.Metric) {
	for kind, common := range s.shared() {
		metrics <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, float64(common.Failing), kind, common.Reason)
	}
}
