package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/timonier-io/timonier/test/bench/figures"
	"github.com/timonier-io/timonier/test/faults"
)

func aRun(fault, commit string, gap int64, edits ...func(*Run)) Run {
	run := Run{Result: faults.Result{Fault: fault, GapMilliseconds: gap, Acknowledged: 1000}, Load: writerLoad, Where: figures.Where{Commit: commit, Cores: 2, MemoryMiB: 2048}}
	for _, edit := range edits {
		edit(&run)
	}
	return run
}

func some() Record {
	return Record{Runs: []Run{
		aRun("frozen", "former", 9000),
		aRun("frozen", "present", 3000),
		aRun("frozen", "present", 5000, func(r *Run) { r.StaleMilliseconds = 310 }),
		aRun("frozen", "present", 4000),
		aRun("frozen", "present", 60000, func(r *Run) { r.Problem, r.Lost = "writes are not back", 2 }),
		aRun("frozen", "present", 1, func(r *Run) { r.Dirty = true }),
		aRun("mid-switchover+frozen", "present", 900, func(r *Run) { r.Missed = true }),
		aRun("sigkill-pid1", "present", 2500),
		aRun("sigkill-pid1", "present", 3500, func(r *Run) { r.Load = busyLoad }),
		aRun("frozen", "present", 4200, func(r *Run) { r.Load = "" }), // of before there was a choice
	}}
}

func TestOnlyRunsOfTheCommitWithoutAProblemAreCounted(t *testing.T) {
	if found := some().of("frozen", "present", writerLoad); len(found) != 3 {
		t.Errorf("counted: %+v", found)
	}
	if found := some().of("mid-switchover+frozen", "present", writerLoad); len(found) != 0 {
		t.Errorf("counted, though it came too late: %+v", found)
	}
}

func TestTheTableTellsMedianAndWorstAndWhatFailedAndWhatIsLost(t *testing.T) {
	table := some().table()
	for _, line := range []string{
		"| every process of the primary frozen | 4.00 s · 60.00 s | 3, 1 failed | 4.20 s · 4.20 s | 1 | 4 s · 6 s | not measured | 30.6 s |",
		"| SIGKILL of PID 1 | 2.50 s · 2.50 s | 1 | 3.50 s · 3.50 s | 1 | 2.5 s · 4 s | 25.8–25.9 s | 3.3–3.6 s |",
		"| switchover | not measured | 0 | not measured | 0 | 1 s · 2 s | 8.6–8.7 s | 2.2 s |",
		"| every process of the primary frozen | 0.00 s · 0.31 s | 3 |",
		"| acknowledged writes lost, all of the above | 2 of 7000 | 7 | 0 of 2000 | 2 | 0, always | 0 seen | 0 seen |",
	} {
		if !strings.Contains(table, line+"\n") {
			t.Errorf("this is not in the table: %s\n%s", line, table)
		}
	}
}

func TestWhatWasMeasuredIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bench", "ha.json")
	if empty, err := read(file); err != nil || len(empty.Runs) > 0 {
		t.Errorf("without a file: %+v (%v)", empty, err)
	}
	if err := some().write(file); err != nil {
		t.Fatal(err)
	}
	found, err := read(file)
	if err != nil {
		t.Fatal(err)
	}
	if difference := cmp.Diff(some(), found); difference != "" {
		t.Error(difference)
	}
}

func TestEveryRowOfTheTableCanBeMeasured(t *testing.T) {
	all, err := choose("")
	if err != nil || len(all) != len(rows()) {
		t.Errorf("%d faults for %d rows (%v)", len(all), len(rows()), err)
	}
	if one, err := choose("standby-wiped"); err != nil || len(one) != 1 {
		t.Errorf("a fault that is in no row: %v (%v)", one, err)
	}
	if _, err := choose("no-such-fault"); err == nil {
		t.Error("a fault that does not exist is chosen")
	}
}
