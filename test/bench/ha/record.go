package main

import (
	"cmp"

	"github.com/timonier-io/timonier/test/bench/figures"
	"github.com/timonier-io/timonier/test/faults"
)

// Run is one fault that was measured once.
type Run struct {
	faults.Result
	// Load is who wrote meanwhile. Runs of before there was a choice have none, and were busy.
	Load string `json:"load,omitempty"`
	// Where has the commit, and the machine with its load before and after.
	figures.Where
}

// Record is what bench/ha.json holds: every run, the oldest first.
type Record struct {
	Runs []Run `json:"runs"`
}

// read the record; an empty one where there is no file yet.
func read(file string) (record Record, err error) {
	err = figures.Read(file, &record)
	return record, err
}

func (r Record) write(file string) error { return figures.Write(file, r) }

// load of a run.
func (r Run) load() string { return cmp.Or(r.Load, busyLoad) }

// of are the runs of a fault at a commit under a load that are worth a figure: those of a changed checkout count as little as those
// in which something else went wrong, or that missed the moment that they were to hit.
func (r Record) of(fault, commit, load string) []Run {
	var found []Run
	for _, run := range r.Runs {
		if run.Fault == fault && run.Commit == commit && run.load() == load && !run.Dirty && run.Problem == "" && !run.Missed {
			found = append(found, run)
		}
	}
	return found
}

// at are all runs at a commit, whatever became of them.
func (r Record) at(commit string) []Run {
	var found []Run
	for _, run := range r.Runs {
		if run.Commit == commit {
			found = append(found, run)
		}
	}
	return found
}
