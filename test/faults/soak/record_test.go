package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/timonier-io/timonier/test/bench/figures"
	"github.com/timonier-io/timonier/test/faults"
)

func soaked() Record {
	one := Summary{Where: figures.Where{At: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Commit: "0123456789abcdef"}, Seed: 7, Wanted: 7200}
	one.add(Round{Result: faults.Result{Fault: "frozen", Acknowledged: 1000, GapMilliseconds: 4000}}, time.Hour)
	one.add(Round{Result: faults.Result{Fault: "frozen", Acknowledged: 500, GapMilliseconds: 9100, Problem: "writes are not back"}}, 2*time.Hour)
	one.add(Round{Result: faults.Result{Fault: "delete-pod", Acknowledged: 500, Lost: 1}}, 2*time.Hour)
	one.add(Round{Result: faults.Result{Fault: "busy"}, Hardship: true}, 2*time.Hour)
	return Record{Soaks: []Summary{one}}
}

func TestTheTableCountsEveryFaultThatIsRecorded(t *testing.T) {
	measured := filepath.Join(t.TempDir(), "ha.json")
	if err := os.WriteFile(measured, []byte(`{"runs": [{"fault": "frozen", "acknowledged": 50}, {"fault": "frozen", "acknowledged": 50, "lost": 2}, {"fault": "undisturbed", "acknowledged": 50}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := soaked().table(measured)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"| 2030-01-02 | 0123456789ab | 2h0m0s | 3 | 2 | 1 | 9.1 s | 1 of 2000 |", ": 5 faults, 3 of 2100 acknowledged writes lost."} {
		if !strings.Contains(table, part) {
			t.Errorf("%q is not in\n%s", part, table)
		}
	}
	if _, err := soaked().table(filepath.Join(t.TempDir(), "none")); err != nil {
		t.Errorf("where nothing was measured: %v", err)
	}
}

func TestWhatFailedAndWhatWasAHardshipCountsAsUntried(t *testing.T) {
	record := soaked()
	record.Soaks[0].add(Round{Result: faults.Result{Fault: "node-stopped", Problem: "writes are not back"}}, 2*time.Hour)
	want := map[string]bool{"frozen": true, "delete-pod": true}
	if diff := cmp.Diff(want, record.tried()); diff != "" {
		t.Error(diff)
	}
}

func TestWhatWasSoakedIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "soak.json")
	if empty, err := read(file); err != nil || len(empty.Soaks) > 0 {
		t.Errorf("without a file: %+v (%v)", empty, err)
	}
	if err := soaked().write(file); err != nil {
		t.Fatal(err)
	}
	again, err := read(file)
	if diff := cmp.Diff(soaked(), again); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}
