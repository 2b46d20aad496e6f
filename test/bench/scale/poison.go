package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// poison makes clusters fail while others are measured, and heals them again: so that each run without it finds the same objects
// as the run beside it.
type poison interface {
	// prepare what is there from the beginning, in runs without poison, too: only what fails by it is to be measured.
	prepare(ctx context.Context, b *bench) error
	// spoil these clusters, and return once that is in force: they fail from then on, and go into quarantine some time later.
	spoil(ctx context.Context, b *bench, clusters []*cluster) error
	// heal them, and return once all are ready. It is called after a spoil that failed, too.
	heal(ctx context.Context, b *bench, clusters []*cluster) error
}

// poisons by name.
func poisons() map[string]poison {
	return map[string]poison{"policy": policy{}, "panic": panics{}, "both": mixed{policy{}, panics{}}}
}

// poisonOf a name; nil where no cluster is to be poisoned.
func poisonOf(share float64, name string) (poison, error) {
	if share == 0 {
		return nil, nil
	}
	known := poisons()
	if found, ok := known[name]; ok {
		return found, nil
	}
	return nil, fmt.Errorf("--poison-by %q: there is no such poison; there are %v", name, slices.Sorted(maps.Keys(known)))
}
