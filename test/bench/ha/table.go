package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/timonier-io/timonier/test/bench/figures"
	"github.com/timonier-io/timonier/test/faults"
)

// row of the table: a fault, what others need for it, and what is to be reached.
type row struct {
	fault, title string
	// cloudNativePG 1.30.0 and Patroni 4.0.7 with their defaults, measured the same way on the same local cluster.
	cloudNativePG, patroni string
	// reach is median and worst.
	reach string
}

const notMeasured = "not measured"

func rows() []row {
	return []row{
		{"switchover", "switchover", "8.6–8.7 s", "2.2 s", "1 s · 2 s"},
		{"delete-pod", "graceful delete of the primary pod", "> 35 s, then as below", "2.2–2.3 s", "1 s · 2 s"},
		{"force-delete-pod", "primary pod force-deleted", "19.1–22.9 s", "1.7–1.9 s", "1 s · 2 s"},
		{"sigkill-postmaster", "SIGKILL of the postmaster", "5.3–15.4 s", "9.2–9.4 s", "1.5 s · 3 s"},
		{"sigkill-pid1", "SIGKILL of PID 1", "25.8–25.9 s", "3.3–3.6 s", "2.5 s · 4 s"},
		{"node-isolated", "primary's node cut off", "74.3 s", "29.6 s", "4 s · 6 s"},
		{"node-stopped", "primary's node powered off", notMeasured, notMeasured, "4 s · 6 s"},
		{"frozen", "every process of the primary frozen", notMeasured, "30.6 s", "4 s · 6 s"},
		{"volume-stalled", "primary's volume stalls", "hours reported", notMeasured, "10 s · 15 s"},
		{"undisturbed", "none, for 60 s", notMeasured, notMeasured, "–"},
		{"api-frozen", "API server frozen 60 s", "–", "51.9 s", "0 s"},
		{"operator-stopped", "operator down 60 s", notMeasured, notMeasured, "0 s"},
		{"no-operator+sigkill-pid1", "SIGKILL of PID 1, the operator being down", "no failover", "no difference", "no difference"},
	}
}

// readsOn tells whether the former primary can be read from.
func (r row) readsOn() bool { return faults.Named(r.fault).ReadsOn }

func rowOf(fault string) (row, bool) {
	all := rows()
	i := slices.IndexFunc(all, func(r row) bool { return r.fault == fault })
	if i < 0 {
		return row{}, false
	}
	return all[i], true
}

// table is the summary of the latest commit that was measured, in Markdown.
func (r Record) table() string {
	var b strings.Builder
	if len(r.Runs) == 0 {
		return "Nothing was measured yet.\n"
	}
	last := r.Runs[len(r.Runs)-1]
	all := r.at(last.Commit)
	fmt.Fprintf(&b, "Longest time between two acknowledged writes through the read-write Service, median · worst: by one client that writes a row\n"+
		"every 20 ms, and by the same with about 300 other commits a second beside, of eight clients that connect again every 20 ms as long as\n"+
		"they cannot. Measured until %s at commit %s: %d cores, %d GiB, Linux %s. CloudNativePG is 1.30.0, Patroni is\n"+
		"4.0.7 with quorum mode on Kubernetes endpoints, both with their defaults, measured earlier with one such client on such a\n"+
		"local cluster; ranges over two runs.\n\n",
		last.At.Format("2006-01-02"), last.Commit[:min(len(last.Commit), 12)], last.Cores, (last.MemoryMiB+512)/1024, last.Kernel)
	b.WriteString("| fault | one client | runs | nine clients | runs | to reach | CloudNativePG | Patroni |\n|---|---|---|---|---|---|---|---|\n")
	for _, row := range rows() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", row.title, r.measured(row.fault, last.Commit, writerLoad), r.measured(row.fault, last.Commit, busyLoad), row.reach, row.cloudNativePG, row.patroni)
	}
	fmt.Fprintf(&b, "| acknowledged writes lost, all of the above | %s | %s | 0, always | 0 seen | 0 seen |\n", lost(all, writerLoad), lost(all, busyLoad))
	b.WriteString(r.stale(last.Commit))
	return b.String()
}

// stale is for how long the former primary showed what was old to whoever read from it beside, median and worst, in Markdown; "" where nobody looked.
func (r Record) stale(commit string) string {
	var b strings.Builder
	for _, row := range rows() {
		var spans []float64
		for _, run := range r.of(row.fault, commit, writerLoad) {
			if row.readsOn() {
				spans = append(spans, float64(run.StaleMilliseconds)/1000)
			}
		}
		if len(spans) > 0 {
			fmt.Fprintf(&b, "| %s | %.2f s · %.2f s | %d |\n", row.title, figures.Median(spans), slices.Max(spans), len(spans))
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\nHow long the former primary answered a plain `SELECT` with what lacked an acknowledged write, to one that reads from it beside,\n" +
		"every 20 ms over an old session, median · worst. A node that is cut off stays so until that ends; one that was frozen goes on after writes are back.\n\n" +
		"| fault | old data shown for | runs |\n|---|---|---|\n" + b.String()
}

// lost writes of how many under a load, and in how many runs, as two cells.
func lost(all []Run, load string) string {
	lost, acknowledged, runs := 0, 0, 0
	for _, run := range all {
		if run.load() == load {
			lost, acknowledged, runs = lost+run.Lost, acknowledged+run.Acknowledged, runs+1
		}
	}
	return fmt.Sprintf("%d of %d | %d", lost, acknowledged, runs)
}

// measured is median and worst gap of a fault under a load, and how many runs there are, as two cells.
func (r Record) measured(fault, commit, load string) string {
	var gaps []float64
	for _, run := range r.of(fault, commit, load) {
		gaps = append(gaps, float64(run.GapMilliseconds)/1000)
	}
	worst, failed := 0.0, 0
	for _, run := range r.at(commit) {
		if run.Fault == fault && run.load() == load && run.Problem != "" {
			// It is no run that counts for the median, and what was seen in it was seen.
			worst, failed = max(worst, float64(run.GapMilliseconds)/1000), failed+1
		}
	}
	cells := notMeasured + " | 0"
	if len(gaps) > 0 {
		cells = fmt.Sprintf("%.2f s · %.2f s | %d", figures.Median(gaps), max(worst, slices.Max(gaps)), len(gaps))
	}
	if failed > 0 {
		cells += fmt.Sprintf(", %d failed", failed)
	}
	return cells
}
