package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/timonier-io/timonier/test/bench/figures"
)

func measured() Measurement {
	return Measurement{
		Where: figures.Where{At: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Commit: "0123456789abcdef", Dirty: true, Cores: 2, MemoryMiB: 4000, Kernel: "6.1",
			LoadBefore: "0.1 0.2 0.3", LoadAfter: "1 2 3"},
		Settings: Settings{Clusters: 100, Instances: 3, PerSpace: 20, Workers: 8, MemoryLimit: "96MiB", Rate: 5},
		Creation: Creation{RSSBefore: 40960, Period: Period{Seconds: 100, RSSPeak: 70000, CPU: 900}},
		Rest: Period{Seconds: 30, RSSPeak: 61440, RSSEnd: 61440, CPU: 50, StatusRequests: 50, States: 1,
			Asked: Asked{Leaders: 100, Standbys: 200, Open: 300, BusiestSecond: 40}},
		Runs: []Run{
			{Pair: 1, Changes: Changes{Made: 3, Milliseconds: []float64{10, 20, 30}, First: []float64{5, 6, 7}, StateWrites: 3, MostPerChange: 1},
				Period: Period{RSSPeak: 81920, CPU: 100}},
			{Pair: 1, Poisoned: true, Changes: Changes{Made: 1, Milliseconds: []float64{900}, First: []float64{800}}, Period: Period{CPU: 999}},
			{Pair: 2, Changes: Changes{Made: 2, Milliseconds: []float64{40, 60000}, First: []float64{8}, Open: 1, StateWrites: 4, MostPerChange: 2, Unasked: 6},
				Period: Period{CPU: 200}},
		},
	}
}

func TestTheTableTellsWhatWasMeasuredAndWhatIsToBeReached(t *testing.T) {
	table := measured().table()
	for _, part := range []string{
		"2030-01-02 at commit 0123456789ab with changes", "2 cores, 4 GiB, Linux 6.1", "0.1 0.2 0.3 before, 1 2 3 after", "100 clusters of 3 instances", "`GOMEMLIMIT=96MiB`",
		"median · p99 (5 changes in 2 runs, 1 of them not within a minute) | 30 ms · 60000 ms |",
		"| until the first one has it | 6 ms · 8 ms |",
		"median · p99 (1 changes in 1 runs) | 900 ms · 900 ms |",
		"| resident memory of the operator, at most | 80.0 MiB | 300 MiB |",
		"| of it for each cluster, at rest | 204.8 KiB |",
		"while 5 specs are changed each second | 50 m · 150 m |",
		"| 1.40 · 2.00 | 1 |",
		"| 7 | 0 |",
		"| 1.00 | 1 |",
		"| 2.00 · 4.00 | the leader alone |",
		"| 4.0 times | with jitter |",
		"| 300 | none is kept |",
		"| 100 s · 900 m |",
	} {
		if !strings.Contains(table, part) {
			t.Errorf("this is not in the table: %s\n%s", part, table)
		}
	}
	if table := (Measurement{}).table(); !strings.Contains(table, notMeasured) {
		t.Errorf("of nothing: %s", table)
	}
	if table := (Record{}).table(); table != "Nothing was measured yet.\n" {
		t.Errorf("of no measurement: %s", table)
	}
}

func TestAMeasurementIsKeptBehindTheFormerOnes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bench", "scale.json")
	former, err := read(file)
	if err != nil || len(former.Measurements) != 0 {
		t.Fatalf("without a file: %+v (%v)", former, err)
	}
	if nameless, err := read(""); err != nil || len(nameless.Measurements) != 0 {
		t.Errorf("without a name: %+v (%v)", nameless, err)
	}
	first, second := measured(), measured()
	second.Commit = "another"
	for _, m := range []Measurement{first, second} {
		if err := former.with(m).write(file); err != nil {
			t.Fatal(err)
		}
		if former, err = read(file); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(Record{Measurements: []Measurement{first, second}}, former); diff != "" {
		t.Error(diff)
	}
}
