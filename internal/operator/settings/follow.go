package settings

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Follow reads the ConfigMap at once and then each time that every has passed, and reloads the store, until the context
// ends. The data that read returns is nil where there is no ConfigMap: that is no error, and what it said is given up.
// An error changes nothing. Changes, what is not in force and an error are each logged once. A reading that takes longer
// than every is given up.
func (s *Store) Follow(ctx context.Context, read func(context.Context) (map[string]string, error), every time.Duration, log *slog.Logger) error {
	if every <= 0 {
		return fmt.Errorf("reading the ConfigMap of settings every %s: it must be more than zero", every)
	}
	f := &follower{store: s, read: read, every: every, log: log}
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		f.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

// follower is what Follow remembers from one reading to the next.
type follower struct {
	store *Store
	read  func(context.Context) (map[string]string, error)
	every time.Duration
	log   *slog.Logger

	failing bool
	// told is what was said to be not in force, by name.
	told map[string]string
}

func (f *follower) look(ctx context.Context) {
	reading, cancel := context.WithTimeout(ctx, f.every)
	defer cancel()
	data, err := f.read(reading)
	switch {
	case ctx.Err() != nil:
		return // the operator ends: the error tells of nothing else
	case err != nil:
		if !f.failing {
			f.log.Warn("the ConfigMap of settings cannot be read: what it said last stays in force", "error", err)
		}
		f.failing = true
		return
	case f.failing:
		f.log.Info("the ConfigMap of settings can be read again")
		f.failing = false
	}
	for _, change := range f.store.Reload(data) {
		f.log.Info("a setting has changed", "setting", change.Name, "before", change.Before, "after", change.After, "source", change.Source)
	}
	f.tell()
}

// tell what of the ConfigMap is not in force, where that was not told before.
func (f *follower) tell() {
	told := map[string]string{}
	for _, one := range f.store.Effective().Sources {
		if one.NotInForce == "" {
			continue
		}
		told[one.Name] = one.Why
		if f.told[one.Name] != one.Why {
			f.log.Warn("the ConfigMap of settings is not in force as it is written", "setting", one.Name, "reason", one.NotInForce, "why", one.Why)
		}
	}
	f.told = told
}
