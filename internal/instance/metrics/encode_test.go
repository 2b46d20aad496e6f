package metrics

import (
	"math"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func TestWhatIsWrittenIsReadBackByPrometheus(t *testing.T) {
	var e encoder
	f := family{"odd", gauge, "A help with a \\ and\na line break."}
	names := []string{`it's "quoted" \ back`, "line\nbreak", "é", "\xff", "{a=\"b\"} 1", ""}
	values := []float64{0, -1, 1 << 60, math.Inf(1), math.Inf(-1), 0.1}
	e.head(f)
	for i, name := range names {
		e.sample(f.name, []string{"database", "role"}, []string{name, "x"}, values[i])
	}
	e.single(family{"single", counter, "One."}, 9007199254740991)
	families, err := parser().TextToMetricFamilies(strings.NewReader(e.String()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, e.String())
	}
	read := families[prefix+"odd"]
	if read == nil || len(read.GetMetric()) != len(names) || read.GetHelp() != f.help {
		t.Fatalf("%v", read)
	}
	for i, metric := range read.GetMetric() {
		want := strings.ToValidUTF8(names[i], "\uFFFD")
		if got := metric.GetLabel()[0].GetValue(); got != want {
			t.Errorf("label %q is read as %q", want, got)
		}
		if got := metric.GetGauge().GetValue(); got != values[i] {
			t.Errorf("%v is read as %v", values[i], got)
		}
	}
	if got := families[prefix+"single"].GetMetric()[0].GetCounter().GetValue(); got != 9007199254740991 {
		t.Error(got)
	}
}

func parser() *expfmt.TextParser {
	p := expfmt.NewTextParser(model.LegacyValidation)
	return &p
}

func TestNamesFollowPrometheussHabits(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range groups() {
		for _, f := range g.families {
			switch {
			case seen[f.name]:
				t.Errorf("%s is told by two groups", f.name)
			case !model.LegacyValidation.IsValidMetricName(prefix + f.name):
				t.Errorf("%s is no name", f.name)
			case (f.kind == counter) != strings.HasSuffix(f.name, "_total"):
				t.Errorf("%s is a %s", f.name, f.kind)
			case f.help == "" || !strings.HasSuffix(f.help, "."):
				t.Errorf("%s has the help %q", f.name, f.help)
			case strings.Contains(f.name, "milli") || strings.Contains(f.name, "kilo"):
				t.Errorf("%s is not in a base unit", f.name)
			}
			seen[f.name] = true
		}
	}
}

func FuzzLabels(f *testing.F) {
	f.Add(`a"b\c`, 1.5)
	f.Add("\n\xff", math.NaN())
	f.Fuzz(func(t *testing.T, label string, value float64) {
		var e encoder
		e.head(up)
		e.sample(up.name, []string{"x"}, []string{label}, value)
		families, err := parser().TextToMetricFamilies(strings.NewReader(e.String()))
		if err != nil || len(families) != 1 || len(families[prefix+"up"].GetMetric()) != 1 {
			t.Fatalf("%q: %v, %v", e.String(), families, err)
		}
		m := families[prefix+"up"].GetMetric()[0]
		if got := m.GetGauge().GetValue(); got != value && !math.IsNaN(value) {
			t.Errorf("%v is read as %v", value, got)
		}
		if want := strings.ToValidUTF8(label, "\uFFFD"); m.GetLabel()[0].GetValue() != want {
			t.Errorf("%q is read as %q", want, m.GetLabel()[0].GetValue())
		}
	})
}
