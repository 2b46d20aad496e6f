package sim

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/election"
)

var (
	// seeds is how many worlds are tried: a few with the fast tests, many by `make test-sim`.
	seeds = flag.Uint64("seeds", 200, "how many seeds to try")
	// replay tells the story of one.
	replay = flag.Int64("seed", -1, "try this seed alone, and tell its story")
)

// Steps of a world with faults, and how many are given to it afterwards until a write must pass.
const (
	steps     = 3000
	healSteps = 20000
)

func protocol() Rules {
	return Rules{Next: election.NextStep, Vote: election.Member.Vote}
}

// try a world of two to five instances. It ends with its first violation.
func try(seed uint64, rules Rules) *World {
	w := NewWorld(seed, 2+int(seed%4), rules)
	for range steps {
		if w.Step(); w.violation != "" {
			return w
		}
	}
	w.Heal()
	for before, left := len(w.shown), healSteps; len(w.shown) == before; left-- {
		if left == 0 {
			w.violation = "no write passes although all is healed"
		}
		if w.Step(); w.violation != "" {
			return w
		}
	}
	return w
}

func TestNothingThatWasShownIsEverMissingAndWritesComeBack(t *testing.T) {
	if *replay >= 0 {
		w := try(uint64(*replay), protocol())
		fmt.Println(strings.Join(w.story, "\n"))
		if w.violation != "" {
			t.Error(w.violation)
		}
		return
	}
	var elections, opened, faults, shown, violations int
	for seed := range *seeds {
		w := try(seed, protocol())
		elections, opened, faults, shown = elections+w.elections, opened+w.leaders, faults+w.faults, shown+len(w.shown)
		if w.violation != "" {
			violations++
			t.Errorf("seed %d: %s", seed, w.violation)
		}
	}
	t.Logf("%d seeds of %d steps: %d elections, %d openings, %d faults, %d records shown, %d violations",
		*seeds, steps, elections, opened, faults, shown, violations)
	if elections < int(*seeds) || opened < elections/2 {
		t.Error("too little happens for this to say anything")
	}
}

func TestTheSameSeedGivesTheSameStory(t *testing.T) {
	for seed := range uint64(8) {
		first, second := try(seed, protocol()), try(seed, protocol())
		if strings.Join(first.story, "\n") != strings.Join(second.story, "\n") {
			t.Errorf("seed %d gives two stories", seed)
		}
	}
}
