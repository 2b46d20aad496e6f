package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/timonier-io/timonier/test/bench/figures"
	"github.com/timonier-io/timonier/test/faults"
	"github.com/timonier-io/timonier/test/workload"
)

// measurable are the faults that can be measured: those of the table first.
func measurable() []faults.Fault {
	return slices.Concat(faults.Singles(), []faults.Fault{faults.Undisturbed(time.Minute)}, faults.Orphans(), faults.Interrupted(), faults.Doubles())
}

// The loads under which is measured.
const (
	writerLoad = "writer"
	busyLoad   = "busy"
)

// trial under a load.
func trial(load string) (faults.Trial, error) {
	how := faults.DefaultTrial()
	how.SeesReadsOut, how.WritesBeside = true, false // whoever writes beside takes CPU from whoever takes over
	switch load {
	case busyLoad:
	case writerLoad:
		how.Load = workload.Writer()
	default:
		return how, fmt.Errorf("there is no load %q; there are %s and %s", load, writerLoad, busyLoad)
	}
	return how, nil
}

// choose the fault of a name, or all of the table.
func choose(name string) ([]faults.Fault, error) {
	var chosen []faults.Fault
	var names []string
	for _, fault := range measurable() {
		names = append(names, fault.Name)
		_, listed := rowOf(fault.Name)
		if fault.Name == name || (name == "" && listed) {
			chosen = append(chosen, fault)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("there is no fault %q; there are %v", name, names)
	}
	return chosen, nil
}

func measure(ctx context.Context, o options) error {
	where, err := figures.Describe(ctx)
	if err != nil {
		return err
	}
	if where.Dirty && !o.dirty {
		return errors.New("files are changed, so that the figures would belong to no commit: commit them, or pass --dirty")
	}
	record, err := read(o.json)
	if err != nil {
		return err
	}
	chosen, err := choose(o.fault)
	if err != nil {
		return err
	}
	how, err := trial(o.load)
	if err != nil {
		return err
	}
	kubernetes, err := faults.Connect(".")
	if err != nil {
		return err
	}
	possible, err := kubernetes.Possible(ctx, chosen)
	if err != nil {
		return err
	}
	b := bench{options: o, how: how, record: record, commit: where.Commit, failed: map[string]int{},
		bed: &faults.Bed{Kubernetes: kubernetes, Namespace: "bench-ha", Cluster: "measured"}}
	failed := b.all(ctx, possible)
	return errors.Join(failed, b.bed.Remove(context.WithoutCancel(ctx)), figures.WriteInto(o.page, "bench-ha", b.record.table()))
}

// bench is a measurement under way.
type bench struct {
	options
	how    faults.Trial
	record Record
	commit string
	bed    *faults.Bed
	// whole: the cluster is there, and nothing is wrong with it.
	whole bool
	// made counts runs of a changed checkout, which the record does not; failed those in which something went wrong.
	made, failed map[string]int
}

// all faults in turn, again and again until each has its runs: what is interrupted has some of each.
func (b *bench) all(ctx context.Context, chosen []faults.Fault) error {
	b.made = map[string]int{}
	var errs []error
	for turn := 1; turn <= b.runs; turn++ {
		for _, fault := range chosen {
			have := len(b.record.of(fault.Name, b.commit, b.load)) + b.made[fault.Name]
			if have >= turn || b.failed[fault.Name] > 0 || ctx.Err() != nil {
				continue
			}
			if err := b.once(ctx, fault); err != nil {
				b.failed[fault.Name]++
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// once measures a fault; what was measured is kept even when something went wrong.
func (b *bench) once(ctx context.Context, fault faults.Fault) error {
	if !b.whole {
		if err := b.bed.Make(ctx); err != nil {
			return fmt.Errorf("making the cluster: %w", err)
		}
	}
	where, err := figures.Describe(ctx)
	if err != nil {
		return err
	}
	if where.Commit != b.commit {
		return errors.New("the commit changed while it was measured: figures belong to one")
	}
	result, failed := b.bed.Try(ctx, fault, b.how)
	b.whole = failed == nil
	fmt.Println(result)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if where.LoadAfter, err = figures.Load(); err != nil {
		return err
	}
	if where.Dirty && failed == nil {
		b.made[fault.Name]++
	}
	b.record.Runs = append(b.record.Runs, Run{Result: result, Load: b.load, Where: where})
	return errors.Join(failed, b.record.write(b.json))
}
