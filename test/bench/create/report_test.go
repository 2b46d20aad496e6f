package main

import (
	"strings"
	"testing"
	"time"

	"github.com/timonier-io/timonier/test/bench/figures"
)

func TestTheSummaryTellsWhereItWasMeasured(t *testing.T) {
	result := Result{
		Where: figures.Where{At: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Commit: "0123456789abcdef", Dirty: true, Cores: 2, MemoryMiB: 4000, Kernel: "6.1",
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
