package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/timonier-io/timonier/test/bench/figures"
	"github.com/timonier-io/timonier/test/faults"
)

// Record is what bench/soak.json holds: every soak, the oldest first.
type Record struct {
	Soaks []Summary `json:"soaks"`
}

// Summary of one soak.
type Summary struct {
	// Where has the commit, and the machine with its load before and after.
	figures.Where
	Seed uint64 `json:"seed"`
	// Seconds it has taken so far, of Wanted.
	Seconds int `json:"seconds"`
	Wanted  int `json:"wantedSeconds"`
	// Rounds that were made, and Failed ones among them: in which something was not as it should be.
	Rounds       int     `json:"rounds"`
	Failed       int     `json:"failed"`
	Acknowledged int     `json:"acknowledged"`
	Lost         int     `json:"lost"`
	WorstGap     int64   `json:"worstGapMilliseconds"`
	Results      []Round `json:"results"`
}

// Round is one fault, with the machine's load averages at its end.
type Round struct {
	faults.Result
	MachineLoad string `json:"machineLoad"`
	// Hardship: it was no fault, but what must not make anybody fail over.
	Hardship bool `json:"hardship,omitempty"`
}

func (s *Summary) add(round Round, after time.Duration) {
	s.Rounds++
	if round.Problem != "" {
		s.Failed++
	}
	s.Acknowledged += round.Acknowledged
	s.Lost += round.Lost
	s.WorstGap = max(s.WorstGap, round.GapMilliseconds)
	s.Seconds = int(after.Seconds())
	s.Results = append(s.Results, round)
}

// read the record; an empty one where there is no file yet.
func read(file string) (record Record, err error) {
	err = figures.Read(file, &record)
	return record, err
}

// tried are the faults that went well in a soak.
func (r Record) tried() map[string]bool {
	tried := map[string]bool{}
	for _, s := range r.Soaks {
		for _, round := range s.Results {
			if round.Problem == "" && !round.Hardship {
				tried[round.Fault] = true
			}
		}
	}
	return tried
}

func (r Record) write(file string) error { return figures.Write(file, r) }

// table is the summary of all soaks, in Markdown, and of all faults that were ever recorded, those among them that were measured.
func (r Record) table(measured string) (string, error) {
	var b strings.Builder
	b.WriteString("| soaked on | commit | for | faults | kinds | failed | longest gap | acknowledged writes lost |\n|---|---|---|---|---|---|---|---|\n")
	rounds, lost, acknowledged := 0, 0, 0
	for _, s := range r.Soaks {
		kinds, injected := map[string]bool{}, 0
		for _, round := range s.Results {
			if !round.Hardship {
				kinds[round.Fault], injected = true, injected+1
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %d | %.1f s | %d of %d |\n", s.At.Format("2006-01-02"), s.Commit[:min(len(s.Commit), 12)],
			(time.Duration(s.Seconds) * time.Second).Round(time.Minute), injected, len(kinds), s.Failed, float64(s.WorstGap)/1000, s.Lost, s.Acknowledged)
		rounds, lost, acknowledged = rounds+injected, lost+s.Lost, acknowledged+s.Acknowledged
	}
	var bench struct {
		Runs []faults.Result `json:"runs"`
	}
	if err := figures.Read(measured, &bench); err != nil {
		return "", err
	}
	for _, run := range bench.Runs {
		if run.IsFault() {
			rounds, lost, acknowledged = rounds+1, lost+run.Lost, acknowledged+run.Acknowledged
		}
	}
	fmt.Fprintf(&b, "\nOver all faults that are recorded, soaked and measured, at whatever commit: %d faults, %d of %d acknowledged writes lost.\n", rounds, lost, acknowledged)
	return b.String(), nil
}
