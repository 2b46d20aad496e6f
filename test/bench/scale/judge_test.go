package main

import (
	"fmt"
	"strings"
	"testing"
)

// kept is a measurement of which every promise is kept.
func kept() Measurement {
	m := Measurement{Settings: Settings{Clusters: 1000, Poison: 0.01}, Creation: Creation{Period: Period{RSSPeak: 200 << 10}}}
	m.Rest = Period{Seconds: 60, RSSPeak: 200 << 10, StatusRequests: 0, Asked: Asked{Leaders: 2000, Open: 300, BusiestSecond: 60}}
	for pair := 1; pair <= leastPairs; pair++ {
		for _, poisoned := range []bool{false, true} {
			run := Run{Pair: pair, Poisoned: poisoned, Period: Period{StatusRequests: 110, States: 100, Counters: 10}}
			run.Changes = Changes{Made: 100, StateWrites: 100}
			for i := range 100 {
				run.Changes.Milliseconds = append(run.Changes.Milliseconds, 100+float64(i))
			}
			if poisoned {
				run.Changes.MostOfPoisoned = 2
				run.Entries = Entries{Poisoned: 10, Once: 10, Seen: 10, Counted: 10}
			}
			m.Runs = append(m.Runs, run)
		}
	}
	m.Outage = &Outage{Seconds: 30, Clusters: 1000, Ready: 1000, Changes: 100}
	return m
}

func TestEveryPromiseOfTheBenchIsKeptByWhatKeepsItAndBrokenByWhatBreaksIt(t *testing.T) {
	if err := judged(kept().judge()); err != nil {
		t.Fatalf("nothing is wrong: %v", err)
	}
	slower := func(from int, times float64) func(*Measurement) {
		return func(m *Measurement) {
			for r := range m.Runs {
				for i := from; m.Runs[r].Poisoned && i < len(m.Runs[r].Changes.Milliseconds); i++ {
					m.Runs[r].Changes.Milliseconds[i] *= times
				}
			}
		}
	}
	poisoned := func(edit func(*Entries)) func(*Measurement) { return func(m *Measurement) { edit(&m.Runs[1].Entries) } }
	for _, broken := range []struct {
		what, promise string
		breaks        func(*Measurement)
	}{
		{"memory", "resident memory", func(m *Measurement) { m.Runs[0].RSSPeak = 301 << 10 }},
		{"a standby is asked", "only leaders are asked", func(m *Measurement) { m.Rest.Asked.Standbys = 1 }},
		{"nobody is asked at all", "only leaders are asked", func(m *Measurement) { m.Rest.Asked.Leaders = 0 }},
		{"a connection to each leader is kept", "no connection is kept", func(m *Measurement) { m.Rest.Asked.Open = 1000 }},
		{"all are asked at once", "spread over time", func(m *Measurement) { m.Rest.Asked.BusiestSecond = 1000 }},
		{"states are written at rest", "that nobody changed", func(m *Measurement) { m.Rest.States = 1 }},
		{"states of others are written in a run", "that nobody changed", func(m *Measurement) { m.Runs[1].Changes.Unasked = 1 }},
		{"two writes for a change", "at most one write", func(m *Measurement) { m.Runs[0].Changes.StateWrites = 101 }},
		{"writes that change nothing", "at most one write", func(m *Measurement) { m.Rest.StatusRequests = 50 }},
		{"writes of nothing but positions", "at most one write", func(m *Measurement) { m.Rest.StatusRequests, m.Rest.Lives = 50, 50 }},
		{"three writes of a poisoned one", "begins to fail", func(m *Measurement) { m.Runs[1].Changes.MostOfPoisoned = 3 }},
		{"too few runs", "runs with and without poison", func(m *Measurement) { m.Runs = m.Runs[:8] }},
		{"the median is 15 % worse", "median beside poisoned", slower(0, 1.15)},
		{"the 99th percentile is 30 % worse", "99th percentile", slower(95, 1.30)},
		{"one is not quarantined", "quarantined once", poisoned(func(e *Entries) { e.Once, e.Seen, e.Counted = 9, 9, 9 })},
		{"one is quarantined twice", "quarantined once", poisoned(func(e *Entries) { e.Once, e.Seen, e.Counted = 9, 11, 11 })},
		{"another one is quarantined", "quarantined once", poisoned(func(e *Entries) { e.Others, e.Seen, e.Counted = 1, 11, 11 })},
		{"the operator counts another number", "quarantined once", poisoned(func(e *Entries) { e.Counted = 20 })},
		{"none was poisoned", "quarantined once", poisoned(func(e *Entries) { *e = Entries{} })},
		{"one is quarantined without poison", "without poison nobody", func(m *Measurement) { m.Runs[0].Entries.Seen = 1 }},
		{"the outage quarantines one", "an outage of the API", func(m *Measurement) { m.Outage.Quarantined = 1 }},
		{"one is not ready after it", "an outage of the API", func(m *Measurement) { m.Outage.Ready-- }},
		{"a change after it does not arrive", "an outage of the API", func(m *Measurement) { m.Outage.Open = 1 }},
		{"no change was made after it", "an outage of the API", func(m *Measurement) { m.Outage.Changes = 0 }},
	} {
		m := kept()
		broken.breaks(&m)
		err := judged(m.judge())
		if err == nil || strings.Count(err.Error(), "not kept") != 1 || !strings.Contains(err.Error(), broken.promise) {
			t.Errorf("%s: want that alone to be told of %q, got: %v", broken.what, broken.promise, err)
		}
	}
}

func TestAComparisonThatIsJustWithinItsBoundIsKept(t *testing.T) {
	m := kept()
	for r := range m.Runs {
		for i := range m.Runs[r].Changes.Milliseconds {
			if m.Runs[r].Poisoned {
				m.Runs[r].Changes.Milliseconds[i] *= 1.09
			}
		}
	}
	if err := judged(m.judge()); err != nil {
		t.Error(err)
	}
}

func TestWithoutAnyRunNothingIsTakenForGood(t *testing.T) {
	err := judged(Measurement{Settings: Settings{Poison: 0.01}, Outage: &Outage{}}.judge())
	for _, promise := range []string{"memory", "median", "99th", "once", "only leaders", "outage"} {
		if err == nil || !strings.Contains(err.Error(), promise) {
			t.Errorf("%s is taken for kept: %v", promise, err)
		}
	}
}

func TestTheTableShowsWhatWasKeptAndWhatWasNot(t *testing.T) {
	m := kept()
	m.Outage.Quarantined = 3
	m.Verdicts = m.judge()
	table := m.table()
	for _, part := range []string{"| resident memory of the operator | yes | 200.0 MiB at most", fmt.Sprintf("| %s | no | 30 s: 3 quarantined", m.Outage.judge().Promise)} {
		if !strings.Contains(table, part) {
			t.Errorf("this is not in the table: %s\n%s", part, table)
		}
	}
}
