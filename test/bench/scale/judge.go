package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/timonier-io/timonier/test/bench/figures"
)

// What is promised of the operator with many clusters.
const (
	// leastPairs of runs with and without poison, before these are compared.
	leastPairs = 5
	// mostMedian and mostP99 are how many times as long a change of a healthy cluster may take beside poisoned ones.
	mostMedian, mostP99 = 1.10, 1.25
	// mostMemory of the operator, resident, in MiB.
	mostMemory = 300
	// mostOpen connections to instances at rest, for each cluster: the operator looks at each about every 30 seconds, and keeps a connection
	// for less than half of that.
	mostOpen = 0.5
	// mostBusy is how many times as many questions the busiest second at rest may have as the mean one, and leastJudged how many questions a
	// second there must be for that to mean anything.
	mostBusy, leastJudged = 3, 10
	// mostOfPoisoned is how many states a poisoned cluster goes through in a run.
	mostOfPoisoned = 2
)

// Verdict on one promise.
type Verdict struct {
	Promise string `json:"promise"`
	Kept    bool   `json:"kept"`
	// Found is what was measured, beside what was to be.
	Found string `json:"found"`
}

// judge what was measured by what is promised.
func (m Measurement) judge() []Verdict {
	clean, poisoned := m.runs(false), m.runs(true)
	verdicts := []Verdict{
		m.judgeMemory(), m.judgeLeader(), m.judgeOpen(), m.judgeJitter(), m.judgeUnasked(), m.judgeVain(),
	}
	if m.Settings.Poison > 0 {
		verdicts = append(verdicts,
			Verdict{"runs with and without poison", min(len(clean), len(poisoned)) >= leastPairs,
				fmt.Sprintf("%d and %d, at least %d of each", len(poisoned), len(clean), leastPairs)},
			poisoned.judgePoisoned(),
			compared("median beside poisoned clusters", clean, poisoned, mostMedian, figures.Median),
			compared("99th percentile beside poisoned clusters", clean, poisoned, mostP99, func(values []float64) float64 { return percentile(values, 0.99) }),
			poisoned.judgeEntries(), clean.judgeNoEntries())
	}
	if m.Outage != nil {
		verdicts = append(verdicts, m.Outage.judge())
	}
	return verdicts
}

// judged is nil where all promises are kept; else it tells which are not.
func judged(verdicts []Verdict) error {
	var broken []error
	for _, verdict := range verdicts {
		if !verdict.Kept {
			broken = append(broken, fmt.Errorf("not kept: %s: %s", verdict.Promise, verdict.Found))
		}
	}
	return errors.Join(broken...)
}

// shownVerdicts in Markdown.
func shownVerdicts(verdicts []Verdict) string {
	var b strings.Builder
	b.WriteString("\n| promise | kept | found |\n|---|---|---|\n")
	for _, verdict := range verdicts {
		kept := "yes"
		if !verdict.Kept {
			kept = "no"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", verdict.Promise, kept, verdict.Found)
	}
	return b.String()
}

// compared are the changes of all runs with poison with those of all runs without.
func compared(promise string, clean, poisoned sameRuns, most float64, of func([]float64) float64) Verdict {
	without, with := clean.all(), poisoned.all()
	if len(without) == 0 || len(with) == 0 {
		return Verdict{promise, false, notMeasured}
	}
	reference, found := of(without), of(with)
	return Verdict{promise, found <= reference*most,
		fmt.Sprintf("%.1f ms with poison and %.1f ms without, at most %.2f times as much", found, reference, most)}
}

// all changes of these runs, in milliseconds.
func (s sameRuns) all() []float64 {
	var all []float64
	for _, run := range s {
		all = append(all, run.Changes.Milliseconds...)
	}
	return all
}

// judgeEntries of runs with poison: each poisoned cluster goes into quarantine once, and no other does; the operator counts the same.
func (s sameRuns) judgeEntries() Verdict {
	const promise = "every poisoned cluster is quarantined once, and no other"
	kept := len(s) > 0
	var found []string
	for _, run := range s {
		e := run.Entries
		kept = kept && e.Poisoned > 0 && e.Once == e.Poisoned && e.Others == 0 && e.Seen == e.Poisoned && e.Counted == e.Seen
		found = append(found, fmt.Sprintf("pair %d: %d of %d once, %d entries seen and %d counted, %d of others", run.Pair, e.Once, e.Poisoned, e.Seen, e.Counted, e.Others))
	}
	return Verdict{promise, kept, strings.Join(append(found, fmt.Sprintf("%d runs", len(s))), "; ")}
}

// judgePoisoned holds that of a poisoned cluster is written that it fails, and that it is in quarantine; counts of failures have their own pace.
func (s sameRuns) judgePoisoned() Verdict {
	most := 0
	for _, run := range s {
		most = max(most, run.Changes.MostOfPoisoned)
	}
	return Verdict{"a poisoned cluster's status is written when it begins to fail, and when it goes into quarantine", most > 0 && most <= mostOfPoisoned,
		fmt.Sprintf("%d states of one at most, to be %d", most, mostOfPoisoned)}
}

// judgeNoEntries of runs without poison.
func (s sameRuns) judgeNoEntries() Verdict {
	seen, counted := 0, 0
	for _, run := range s {
		seen, counted = seen+run.Entries.Seen, counted+run.Entries.Counted
	}
	return Verdict{"without poison nobody is quarantined", seen == 0 && counted == 0, fmt.Sprintf("%d entries seen, %d counted", seen, counted)}
}

func (m Measurement) judgeMemory() Verdict {
	peak := mebibytes(m.peak())
	return Verdict{"resident memory of the operator", peak > 0 && peak <= mostMemory, fmt.Sprintf("%.1f MiB at most, to be %d MiB or less", peak, mostMemory)}
}

// judgeLeader holds that at rest the leaders alone are asked.
func (m Measurement) judgeLeader() Verdict {
	asked := m.Rest.Asked
	return Verdict{"at rest only leaders are asked", asked.Leaders > 0 && asked.Standbys == 0, fmt.Sprintf("%d questions to leaders, %d to standbys", asked.Leaders, asked.Standbys)}
}

// judgeOpen holds that connections are not kept: neither one for each instance nor one for each cluster.
func (m Measurement) judgeOpen() Verdict {
	most := mostOpen * float64(m.Settings.Clusters)
	return Verdict{"no connection is kept for each instance", float64(m.Rest.Asked.Open) <= most, fmt.Sprintf("%d open after the rest, %.0f at most", m.Rest.Asked.Open, most)}
}

// judgeJitter holds that clusters are not asked all at once. Few questions come in clusters by chance.
func (m Measurement) judgeJitter() Verdict {
	const promise = "questions at rest are spread over time"
	perSecond := 0.0
	if m.Rest.Seconds > 0 {
		perSecond = float64(m.Rest.Asked.Leaders+m.Rest.Asked.Standbys) / m.Rest.Seconds
	}
	if perSecond < leastJudged {
		return Verdict{promise, true, fmt.Sprintf("not judged: %.1f questions a second", perSecond)}
	}
	return Verdict{promise, m.busiest() <= mostBusy, fmt.Sprintf("%.1f times the mean in the busiest second, at most %d times", m.busiest(), mostBusy)}
}

// judgeUnasked holds that no state is written of clusters of which nothing has changed.
func (m Measurement) judgeUnasked() Verdict {
	unasked := m.Rest.States
	for _, run := range m.Runs {
		unasked += run.Changes.Unasked
	}
	return Verdict{"no state is written of clusters that nobody changed", unasked == 0, fmt.Sprintf("%d writes", unasked)}
}

// judgeVain holds that a status is written once for each change of a state: by a change of a spec once, and never without any change, or of
// nothing but positions. Counts of failures have their own pace, and are told apart.
func (m Measurement) judgeVain() Verdict {
	writes, made, vain, all := 0, 0, m.Rest.vain(), m.Rest.StatusRequests
	for _, run := range m.Runs {
		writes, made, vain, all = writes+run.Changes.StateWrites, made+run.Changes.Made, vain+run.vain(), all+run.StatusRequests
	}
	return Verdict{"at most one write of a status for each change of a state", writes <= made && vain <= onTheirWay+all*onTheirWay/100,
		fmt.Sprintf("%d writes for %d changes of specs; %.0f of %.0f writes without a change", writes, made, max(vain, 0), all)}
}

// onTheirWay is how many writes, and how many in a hundred, may have been answered of which the watch has not told yet.
const onTheirWay = 1

// vain are writes of statuses that changed nothing, or nothing but positions.
func (p Period) vain() float64 {
	return p.StatusRequests - float64(p.States+p.Counters)
}
