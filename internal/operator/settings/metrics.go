package settings

import "github.com/prometheus/client_golang/prometheus"

// NewCollector of what is in force and what is not, for the operator's registry.
func NewCollector(store *Store) prometheus.Collector {
	return &collector{
		store: store,
		info: prometheus.NewDesc("timonier_setting_info",
			"1 for the value that a setting of the operator has, and its source: Flag, Environment, ConfigMap or Default.",
			[]string{"name", "value", "source"}, nil),
		notInForce: prometheus.NewDesc("timonier_setting_not_in_force",
			"1 for what the operator's ConfigMap holds and is not in force: Overridden, Invalid, NeedsRestart or Unknown.",
			[]string{"name", "reason"}, nil),
	}
}

type collector struct {
	store            *Store
	info, notInForce *prometheus.Desc
}

// Describe is prometheus.Collector's.
func (c *collector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- c.info
	descriptions <- c.notInForce
}

// Collect is prometheus.Collector's. All texts are valid UTF-8: values were read so, and keys that are no setting are bounded.
func (c *collector) Collect(metrics chan<- prometheus.Metric) {
	for _, one := range c.store.Effective().Sources {
		if one.NotInForce != ReasonUnknown {
			metrics <- prometheus.MustNewConstMetric(c.info, prometheus.GaugeValue, 1, one.Name, bounded(one.Value), string(one.Source))
		}
		if one.NotInForce != "" {
			metrics <- prometheus.MustNewConstMetric(c.notInForce, prometheus.GaugeValue, 1, one.Name, string(one.NotInForce))
		}
	}
}
