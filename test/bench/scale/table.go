package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/timonier-io/timonier/test/bench/figures"
)

// table of what was measured last, in Markdown.
func (r Record) table() string {
	if len(r.Measurements) == 0 {
		return "Nothing was measured yet.\n"
	}
	return r.Measurements[len(r.Measurements)-1].table()
}

// table is the summary, in Markdown.
func (m Measurement) table() string {
	var b strings.Builder
	commit := m.Commit[:min(len(m.Commit), 12)]
	if m.Dirty {
		commit += " with changes"
	}
	fmt.Fprintf(&b, "Measured on %s at commit %s: %d cores, %d GiB, Linux %s; load average %s before, %s after. One kube-apiserver with etcd,\n"+
		"which waits for no disk, the operator and what stands in for kubelets and instances share this machine. %d clusters of %d instances, %d in a\n"+
		"namespace, `--workers=%d`, `GOMEMLIMIT=%s`.\n\n",
		m.At.Format("2006-01-02"), commit, m.Cores, (m.MemoryMiB+512)/1024, m.Kernel, m.LoadBefore, m.LoadAfter,
		m.Settings.Clusters, m.Settings.Instances, m.Settings.PerSpace, m.Settings.Workers, m.Settings.MemoryLimit)
	b.WriteString("| what | measured | to reach |\n|---|---|---|\n")
	row := func(what, reach, format string, args ...any) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", what, fmt.Sprintf(format, args...), reach)
	}
	clean, poisoned := m.runs(false), m.runs(true)
	clean.latencies(row, "from a change of a spec until all instances of the cluster have it")
	if len(poisoned) > 0 {
		poisoned.latencies(row, fmt.Sprintf("the same, with %.0f %% of the clusters poisoned (%s)", 100*m.Settings.Poison, m.Settings.PoisonBy))
	}
	row("resident memory of the operator, at most", "300 MiB", "%.1f MiB", mebibytes(m.peak()))
	row("of it for each cluster, at rest", "", "%.1f KiB", m.perCluster())
	row(fmt.Sprintf("CPU of the operator at rest · while %g specs are changed each second", m.Settings.Rate), "", "%.0f m · %s", m.Rest.CPU, clean.cpu())
	row("changes of status for each change of a spec, in the mean · most of one cluster", "1", "%s", clean.perChange())
	row("changes of status of clusters that nobody changed, at rest and meanwhile", "0", "%d", m.Rest.States+clean.unasked())
	row("writes of a status for each cluster at rest, per minute", "1", "%.2f", m.perMinute(m.Rest.StatusRequests))
	row("questions to a leader · to all its standbys at rest, per minute", "the leader alone", "%.2f · %.2f",
		m.perMinute(float64(m.Rest.Asked.Leaders)), m.perMinute(float64(m.Rest.Asked.Standbys)))
	row("questions in the busiest second at rest, of a mean second's", "with jitter", "%.1f times", m.busiest())
	row("connections to instances that are open after the rest", "none is kept", "%d", m.Rest.Asked.Open)
	row("bytes of memory for each cluster · all of the operator's before there was any", "", "%.0f · %.1f MiB", m.BytesPerCluster, mebibytes(m.Creation.RSSBefore))
	row("all clusters ready, from the first one's creation · CPU of the operator meanwhile", "", "%.0f s · %.0f m", m.Creation.Seconds, m.Creation.CPU)
	if len(m.Verdicts) > 0 {
		b.WriteString(shownVerdicts(m.Verdicts))
	}
	return b.String()
}

// sameRuns are runs that are looked at together.
type sameRuns []Run

// runs with poison, or without.
func (m Measurement) runs(poisoned bool) sameRuns {
	return slices.DeleteFunc(slices.Clone(sameRuns(m.Runs)), func(r Run) bool { return r.Poisoned != poisoned })
}

// latencies of all changes of these runs, as two rows.
func (s sameRuns) latencies(row func(what, reach, format string, args ...any), what string) {
	var all, first []float64
	open := 0
	for _, run := range s {
		all, first, open = append(all, run.Changes.Milliseconds...), append(first, run.Changes.First...), open+run.Changes.Open
	}
	lost := ""
	if open > 0 {
		lost = fmt.Sprintf(", %d of them not within a minute", open)
	}
	row(fmt.Sprintf("%s, median · p99 (%d changes in %d runs%s)", what, len(all), len(s), lost), "", "%s", both(all))
	row("until the first one has it", "", "%s", both(first))
}

const notMeasured = "not measured"

// both median and 99th percentile of some milliseconds.
func both(values []float64) string {
	if len(values) == 0 {
		return notMeasured
	}
	return fmt.Sprintf("%.0f ms · %.0f ms", figures.Median(values), percentile(values, 0.99))
}

// cpu is the median of these runs.
func (s sameRuns) cpu() string {
	var all []float64
	for _, run := range s {
		all = append(all, run.CPU)
	}
	if len(all) == 0 {
		return notMeasured
	}
	return fmt.Sprintf("%.0f m", figures.Median(all))
}

// perChange is the mean of all changes, and the most of one cluster.
func (s sameRuns) perChange() string {
	writes, made, most := 0, 0, 0.0
	for _, run := range s {
		writes, made, most = writes+run.Changes.StateWrites, made+run.Changes.Made, max(most, run.Changes.MostPerChange)
	}
	if made == 0 {
		return notMeasured
	}
	return fmt.Sprintf("%.2f · %.2f", float64(writes)/float64(made), most)
}

func (s sameRuns) unasked() int {
	sum := 0
	for _, run := range s {
		sum += run.Changes.Unasked
	}
	return sum
}

// peak of the operator's memory at any time, in KiB.
func (m Measurement) peak() int {
	peak := max(m.Creation.RSSPeak, m.Rest.RSSPeak)
	for _, run := range m.Runs {
		peak = max(peak, run.RSSPeak)
	}
	return peak
}

// perCluster is what the operator holds for each cluster beside what it holds without any, in KiB.
func (m Measurement) perCluster() float64 {
	return float64(m.Rest.RSSEnd-m.Creation.RSSBefore) / float64(max(m.Settings.Clusters, 1))
}

// perMinute is a count of the rest for each cluster and minute.
func (m Measurement) perMinute(count float64) float64 {
	if m.Rest.Seconds == 0 {
		return 0
	}
	return count / m.Rest.Seconds * 60 / float64(max(m.Settings.Clusters, 1))
}

// busiest is how many times as many questions there were in the busiest second at rest as in the mean one.
func (m Measurement) busiest() float64 {
	asked := m.Rest.Asked.Leaders + m.Rest.Asked.Standbys
	if asked == 0 || m.Rest.Seconds == 0 {
		return 0
	}
	return float64(m.Rest.Asked.BusiestSecond) / (float64(asked) / m.Rest.Seconds)
}
