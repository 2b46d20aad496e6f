package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/timonier-io/timonier/test/bench/figures"
)

// turn is one run of the plan.
type turn struct {
	pair     int
	poisoned bool
}

func (t turn) String() string {
	if t.poisoned {
		return fmt.Sprintf("pair %d, with poison", t.pair)
	}
	return fmt.Sprintf("pair %d, without poison", t.pair)
}

// plan the runs: two of each pair follow each other over the same objects, and every other pair begins with poison, so that what
// drifts with time is in both alike. Where there is no poison, each pair has one run.
func plan(pairs int, poisoned bool) []turn {
	var turns []turn
	for pair := 1; pair <= pairs; pair++ {
		if !poisoned {
			turns = append(turns, turn{pair: pair})
			continue
		}
		first := pair%2 == 0
		turns = append(turns, turn{pair, first}, turn{pair, !first})
	}
	return turns
}

// once makes one run: specs of those that are not poisoned are changed. What was done to poison or to heal is over by then: each run begins after the same rest.
func (b *bench) once(ctx context.Context, now turn) (run Run, err error) {
	measured, spoiled := b.fleet.split(b.poison)
	b.statuses.takeEntries() // those of a run before
	before, err := b.countedEntries(ctx)
	if err != nil {
		return run, err
	}
	if !now.poisoned {
		spoiled = nil
	} else {
		if err := b.poisoner.spoil(ctx, b, spoiled); err != nil {
			return run, fmt.Errorf("poisoning: %w", err)
		}
		defer func() {
			if ctx.Err() != nil {
				return // all of it is thrown away
			}
			if healing := b.poisoner.heal(ctx, b, spoiled); healing != nil {
				err = errors.Join(err, fmt.Errorf("healing: %w", healing))
			}
		}()
	}
	if err := pause(ctx, b.rest); err != nil {
		return run, err
	}
	run = Run{Pair: now.pair, Poisoned: now.poisoned}
	if run.Load, err = figures.Load(); err != nil {
		return run, err
	}
	seen, states, err := b.seenDuring(ctx, func(ctx context.Context) error { return b.change(ctx, measured) })
	made := b.changes.take(time.Now())
	if err != nil {
		return run, err
	}
	run.Period, run.Changes = seen, summed(made, states)
	after, err := b.countedEntries(ctx)
	run.Entries = entriesOf(b.statuses.takeEntries(), spoiled, after-before)
	return run, err
}
