package settings

import (
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// gathered are the metrics as name{label=value,…}, sorted; each must be 1.
func gathered(t *testing.T, store *Store) []string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(NewCollector(store)); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetType() != dto.MetricType_GAUGE || metric.GetGauge().GetValue() != 1 {
				t.Errorf("%s is no 1: %v", family.GetName(), metric)
			}
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetName()+"="+label.GetValue())
			}
			found = append(found, family.GetName()+"{"+strings.Join(labels, ",")+"}")
		}
	}
	slices.Sort(found)
	return found
}

func TestMetricsTellWhatIsInForceAndWhatOfTheConfigMapIsNot(t *testing.T) {
	started := load(t, nil, "--quarantine-after=5m")
	store := NewStore(started)
	store.Reload(map[string]string{
		"max-retries": "20", "quarantine-after": "1h", "probe-interval": "never", "workers": "16", "typo": "x", "strange \xff key": "x",
	})
	metrics := gathered(t, store)
	for _, want := range []string{
		"timonier_setting_info{name=max-retries,source=ConfigMap,value=20}",
		"timonier_setting_info{name=quarantine-after,source=Flag,value=5m}",
		"timonier_setting_info{name=probe-interval,source=Default,value=30m}",
		"timonier_setting_info{name=workers,source=Default,value=8}",
		"timonier_setting_info{name=pod-name,source=Default,value=}",
		"timonier_setting_not_in_force{name=quarantine-after,reason=Overridden}",
		"timonier_setting_not_in_force{name=probe-interval,reason=Invalid}",
		"timonier_setting_not_in_force{name=workers,reason=NeedsRestart}",
		"timonier_setting_not_in_force{name=typo,reason=Unknown}",
		"timonier_setting_not_in_force{name=strange \uFFFD key,reason=Unknown}",
	} {
		if !slices.Contains(metrics, want) {
			t.Errorf("%s is not among\n%s", want, strings.Join(metrics, "\n"))
		}
	}
	if len(metrics) != len(table)+5 {
		t.Errorf("%d metrics for %d settings, of which three are not in force, and two keys that are none", len(metrics), len(table))
	}
	store.Reload(nil)
	if after := gathered(t, store); len(after) != len(table) {
		t.Errorf("without a ConfigMap there are\n%s", strings.Join(after, "\n"))
	}
}

func TestALongValueIsCutInItsLabel(t *testing.T) {
	image := "registry.example/" + strings.Repeat("x", 500)
	store := NewStore(load(t, map[string]string{"manager-image": image, strings.Repeat("k", 5000): "x"}))
	if store.Get().ManagerImage != image {
		t.Error("and in force it must not be")
	}
	for _, metric := range gathered(t, store) {
		if len(metric) > 2*shown {
			t.Errorf("%d bytes: %s", len(metric), metric)
		}
	}
}
