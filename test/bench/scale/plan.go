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

// once makes one run: specs of those that are not poisoned are changed. Each run begins after the same rest, and with poison in the moment in which that
// works: the poisoned ones fail, are tried again, and go into quarantine while the others are measured.
func (b *bench) once(ctx context.Context, now turn) (run Run, err error) {
	if err := pause(ctx, b.rest); err != nil {
		return run, err
	}
	measured, spoiled := b.fleet.split(b.poison)
	b.statuses.takeEntries() // those of a run before
	before, err := b.countedEntries(ctx)
	if err != nil {
		return run, err
	}
	if !now.poisoned {
		spoiled = nil
	}
	run = Run{Pair: now.pair, Poisoned: now.poisoned}
	if run.Load, err = figures.Load(); err != nil {
		return run, err
	}
	if now.poisoned {
		defer func() {
			if ctx.Err() != nil {
				return // all of it is thrown away
			}
			if healing := b.poisoner.heal(ctx, b, spoiled); healing != nil {
				err = errors.Join(err, fmt.Errorf("healing: %w", healing))
			}
		}()
	}
	seen, states, err := b.seenDuring(ctx, func(ctx context.Context) error {
		if now.poisoned {
			if err := b.poisoner.spoil(ctx, b, spoiled); err != nil {
				return fmt.Errorf("poisoning: %w", err)
			}
		}
		if err := b.change(ctx, measured); err != nil {
			return err
		}
		return b.untilQuarantined(ctx, spoiled)
	})
	made := b.changes.take(time.Now())
	if err != nil {
		return run, err
	}
	run.Period, run.Changes = seen, summed(made, states, spoiled)
	after, err := b.countedEntries(ctx)
	run.Entries = entriesOf(b.statuses.takeEntries(), spoiled, after-before)
	return run, err
}
