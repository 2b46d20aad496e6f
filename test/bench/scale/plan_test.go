package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRunsWithAndWithoutPoisonAreInterleaved(t *testing.T) {
	want := []turn{{1, false}, {1, true}, {2, true}, {2, false}, {3, false}, {3, true}}
	if diff := cmp.Diff(want, plan(3, true), cmp.AllowUnexported(turn{})); diff != "" {
		t.Error(diff)
	}
	want = []turn{{1, false}, {2, false}}
	if diff := cmp.Diff(want, plan(2, false), cmp.AllowUnexported(turn{})); diff != "" {
		t.Errorf("without any poison: %s", diff)
	}
	if turns := plan(0, true); len(turns) != 0 {
		t.Errorf("no pair: %v", turns)
	}
}

func TestAPoisonThatThereIsNotIsRefused(t *testing.T) {
	if found, err := poisonOf(0, ""); found != nil || err != nil {
		t.Errorf("none is asked for: %v (%v)", found, err)
	}
	if _, err := poisonOf(0.05, "hemlock"); err == nil {
		t.Error("taken")
	}
}
