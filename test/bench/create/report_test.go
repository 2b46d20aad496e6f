package main

import (
	"strings"
	"testing"
	"time"
)

func TestTheSummaryReplacesTheFormerOneAndNothingElse(t *testing.T) {
	page := "# Benchmarks\n\n" + beginMarker + "\nold\n" + endMarker + "\n\nmore\n"
	want := "# Benchmarks\n\n" + beginMarker + "\nnew\n" + endMarker + "\n\nmore\n"
	if got := insert(page, "new\n"); got != want {
		t.Errorf("got %q", got)
	}
	if got := insert(want, "new\n"); got != want {
		t.Errorf("a second time: got %q", got)
	}
	if got := insert("# Benchmarks\n", "new\n"); got != "# Benchmarks\n\n"+beginMarker+"\nnew\n"+endMarker+"\n" {
		t.Errorf("a page without markers: got %q", got)
	}
}

func TestTheSummaryTellsWhereItWasMeasured(t *testing.T) {
	result := Result{
		Where: Where{At: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Commit: "0123456789abcdef", Dirty: true, Cores: 2, MemoryMiB: 4000, Kernel: "6.1",
			LoadBefore: "0.1 0.2 0.3", LoadAfter: "1 2 3"},
		Creation: Creation{Instances: 3, Runs: make([]Run, 5), Median: 9.96, Worst: 12},
		Memory:   &Memory{Clusters: 10, IdleSeconds: 600, ManagersMedian: 20480, ManagersWorst: 21504, Operator: 51200},
	}
	for _, part := range []string{"2030-01-02", "0123456789ab with changes", "2 cores, 4 GiB, Linux 6.1", "0.1 0.2 0.3 before, 1 2 3 after",
		"| 10.0 s | 12.0 s |", "| 20.0 MiB | 21.0 MiB |", "| 50.0 MiB |"} {
		if !strings.Contains(result.table(), part) {
			t.Errorf("%q is not in\n%s", part, result.table())
		}
	}
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{0: nil, 2: {3, 1, 2}, 2.5: {4, 1, 2, 3}} {
		if got := median(values); got != want {
			t.Errorf("median of %v is %v, not %v", values, got, want)
		}
	}
}

func TestKibibytes(t *testing.T) {
	if n, err := kibibytes("VmPeak:\t  99 kB\nVmRSS:\t   1234 kB\n", "VmRSS:"); n != 1234 || err != nil {
		t.Errorf("got %d (%v)", n, err)
	}
	if _, err := kibibytes("VmPeak: 99 kB\n", "VmRSS:"); err == nil {
		t.Error("a line that is not there is read")
	}
}
