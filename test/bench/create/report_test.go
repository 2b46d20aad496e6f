package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/timonier-io/timonier/test/bench/figures"
)

func TestTheSummaryTellsWhereItWasMeasured(t *testing.T) {
	result := Result{
		Where: figures.Where{At: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Commit: "0123456789abcdef", Dirty: true, Cores: 2, MemoryMiB: 4000, Kernel: "6.1",
			LoadBefore: "0.1 0.2 0.3", LoadAfter: "1 2 3"},
		Creation: Creation{Instances: 3, Runs: make([]Run, 5), Median: 9.96, Worst: 12},
		Rest: &Rest{Clusters: 10, IdleSeconds: 600, Managers: map[string]Manager{"a": {RSS: 20480, CPU: 1}, "b": {RSS: 21504, CPU: 4}, "c": {RSS: 20480, CPU: 2}},
			LeaseWrites: map[string]float64{"x": 0.97}, OtherWrites: 0.005, Operator: 51200},
	}
	for _, part := range []string{"2030-01-02", "0123456789ab with changes", "2 cores, 4 GiB, Linux 6.1", "0.1 0.2 0.3 before, 1 2 3 after",
		"| 10.0 s | 12.0 s |", "| 20.0 MiB | 21.0 MiB |", "| 50.0 MiB |", "| 2.0 m | 4.0 m | 5 m |", "| 0.97 | 0.97 | 1 |", "| 0.005 |"} {
		if !strings.Contains(result.table(), part) {
			t.Errorf("%q is not in\n%s", part, result.table())
		}
	}
}

func TestWhatIsCountedAtRestIsWhatWasAddedInBetween(t *testing.T) {
	begin := time.Unix(1000, 0)
	before := look{managers: map[string]seenManager{"a": {rss: 1, cpu: 2, at: begin}}, revisions: map[string]float64{"x": 10}, writes: 100, at: begin}
	end := begin.Add(time.Minute)
	after := look{managers: map[string]seenManager{"a": {rss: 3, cpu: 2.3, at: end}, "made later": {at: end}}, revisions: map[string]float64{"x": 30}, writes: 110, at: end}
	want := &Rest{Managers: map[string]Manager{"a": {RSS: 3, CPU: 5}}, LeaseWrites: map[string]float64{"x": 1}, OtherWrites: 0.5}
	got, err := after.since(before)
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" || err != nil {
		t.Error(diff, err)
	}
	after.managers["a"] = seenManager{cpu: 99, at: end, server: "another"}
	if _, err := after.since(before); err == nil || !strings.Contains(err.Error(), "the server of a has ended") {
		t.Errorf("what a server used counts as its manager's: %v", err)
	}
}

func TestWritesAreThoseOfWhatClustersConsistOf(t *testing.T) {
	metrics := `# TYPE apiserver_request_total counter
apiserver_request_total{code="200",dry_run="",resource="pods",subresource="status",verb="PATCH"} 3
apiserver_request_total{code="200",dry_run="",resource="postgresclusters",subresource="status",verb="APPLY"} 4
apiserver_request_total{code="200",dry_run="",resource="pods",subresource="",verb="LIST"} 100
apiserver_request_total{code="200",dry_run="All",resource="services",subresource="",verb="APPLY"} 100
apiserver_request_total{code="201",dry_run="",resource="serviceaccounts",subresource="token",verb="POST"} 100
apiserver_request_total{code="200",dry_run="",resource="nodes",subresource="status",verb="PATCH"} 100
`
	for _, output := range []string{metrics, strings.TrimSpace(metrics)} { // as kubectl prints it, and as package figures gives that
		if sum, err := writes(output); err != nil || sum != 7 {
			t.Errorf("%v %v; want 7", sum, err)
		}
	}
	if _, err := writes("up 1\n"); err == nil {
		t.Error("metrics without requests were taken for none")
	}
}
