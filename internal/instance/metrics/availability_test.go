package metrics

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
)

func readBack(t *testing.T, e *encoder) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := parser().TextToMetricFamilies(strings.NewReader(e.String()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, e.String())
	}
	return families
}

func TestAHistogramIsReadBackByPrometheus(t *testing.T) {
	h := newHistogram("wait_seconds", "A wait.", []float64{0.1, 1}, []string{"of"}, []string{"nothing"})
	for _, took := range []time.Duration{-time.Second, 100 * time.Millisecond, 500 * time.Millisecond, time.Minute} {
		h.Observe(took, `some"body`)
	}
	var e encoder
	h.write(&e)
	read := readBack(t, &e)[prefix+"wait_seconds"]
	if read.GetType() != dto.MetricType_HISTOGRAM || len(read.GetMetric()) != 2 {
		t.Fatalf("%v", read)
	}
	nothing, some := read.GetMetric()[0].GetHistogram(), read.GetMetric()[1].GetHistogram()
	if nothing.GetSampleCount() != 0 || len(nothing.GetBucket()) != 3 {
		t.Errorf("what was never observed is %v", nothing)
	}
	if some.GetSampleCount() != 4 || some.GetSampleSum() != 60.6 {
		t.Errorf("%d waits, of %v s", some.GetSampleCount(), some.GetSampleSum())
	}
	for i, want := range []uint64{2, 3, 4} { // the bound itself is within
		if got := some.GetBucket()[i]; got.GetCumulativeCount() != want {
			t.Errorf("up to %v s there are %d, want %d", got.GetUpperBound(), got.GetCumulativeCount(), want)
		}
	}
}

func TestACounterTellsOfWhatCanHappenBeforeItDoes(t *testing.T) {
	a := NewAvailability()
	a.Elections.Add("LeaderDown", Won)
	a.Votes.Add()
	var e encoder
	a.write(&e)
	elections := readBack(t, &e)[prefix+"elections_total"].GetMetric()
	if len(elections) != 12 {
		t.Fatalf("%d series of elections", len(elections))
	}
	for _, m := range elections {
		want := 0.0
		if m.GetLabel()[0].GetValue() == "LeaderDown" && m.GetLabel()[1].GetValue() == Won {
			want = 1
		}
		if got := m.GetCounter().GetValue(); got != want {
			t.Errorf("%v is %v, want %v", m.GetLabel(), got, want)
		}
	}
}

func TestAgesAreThoseOfTheMomentOfReading(t *testing.T) {
	now := time.Unix(1000, 0)
	state := State{
		Role: RoleVoter, Term: 7, Members: 3, Required: 2, Member: true, RenewedAt: now.Add(-3 * time.Second),
		HeardAt: map[string]time.Time{"shop-2": now.Add(-time.Second), "shop-3": now.Add(time.Second)}, ProbeWaits: time.Minute,
	}
	var e encoder
	state.write(&e, now)
	families := readBack(t, &e)
	for _, want := range []struct {
		name, label string
		value       float64
	}{
		{"role", RoleVoter, 1}, {"role", RoleLeader, 0}, {"term", "", 7}, {"quorum_members", "", 3}, {"quorum_required", "", 2}, {"quorum_member", "", 1},
		{"lease_renewal_age_seconds", "", 3}, {"peer_silence_seconds", "shop-2", 1}, {"peer_silence_seconds", "shop-3", 0}, {"write_probe_waits_seconds", "", 60},
	} {
		found := false
		for _, m := range families[prefix+want.name].GetMetric() {
			if want.label == "" || m.GetLabel()[0].GetValue() == want.label {
				found = true
				if got := m.GetGauge().GetValue(); got != want.value {
					t.Errorf("%s %s is %v, want %v", want.name, want.label, got, want.value)
				}
			}
		}
		if !found {
			t.Errorf("%s %s is not told", want.name, want.label)
		}
	}
	for _, name := range []string{"quorum_effective", "standby_behind_seconds"} {
		if families[prefix+name] != nil {
			t.Errorf("%s is told by an instance that does not lead", name)
		}
	}
}

// availabilityFamilies are all that are told of high availability.
func availabilityFamilies() []family {
	a, all := NewAvailability(), stateFamilies()
	for _, c := range a.counters() {
		all = append(all, c.family)
	}
	for _, h := range a.histograms() {
		all = append(all, h.family)
	}
	return all
}

func TestNamesOfAvailabilityFollowPrometheussHabits(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range groups() {
		for _, f := range g.families {
			seen[f.name] = true
		}
	}
	for _, f := range availabilityFamilies() {
		switch {
		case seen[f.name]:
			t.Errorf("%s is told twice", f.name)
		case !model.LegacyValidation.IsValidMetricName(prefix + f.name):
			t.Errorf("%s is no name", f.name)
		case (f.kind == counter) != strings.HasSuffix(f.name, "_total"):
			t.Errorf("%s is a %s", f.name, f.kind)
		case f.kind == histogram && !strings.HasSuffix(f.name, "_seconds"):
			t.Errorf("%s is a histogram of no seconds", f.name)
		case !strings.HasSuffix(f.help, "."):
			t.Errorf("%s has the help %q", f.name, f.help)
		}
		seen[f.name] = true
	}
}

func TestThePageOfMetricsTellsOfEachOfAvailability(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "how-to", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(availabilityFamilies(), synchronousCommitOverrides.families...) {
		if !strings.Contains(string(page), "| `"+f.name) {
			t.Errorf("docs/how-to/metrics.md has no row for %s", f.name)
		}
	}
}
