package faults

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestWhatIsChosenCanBeMadeAndTheSameSeedChoosesTheSame(t *testing.T) {
	names := func(seed uint64) []string {
		choice := rand.New(rand.NewPCG(seed, 0))
		var names []string
		for range 6000 {
			names = append(names, Choose(choice, Singles()).Name)
		}
		return names
	}
	chosen := names(1)
	if !slices.Equal(chosen, names(1)) {
		t.Error("the same seed chose others")
	}
	if slices.Equal(chosen, names(2)) {
		t.Error("another seed chose the same")
	}
	for _, impossible := range []string{"no-operator+switchover", "node-stopped+sigkill-pid1", "api-frozen+switchover", "delete-pod+api-frozen",
		"connections-exhausted+frozen", "volume-stalled+frozen", "volume-stalled+node-stopped", "standby-killed+standby-wiped", "frozen+frozen", "operator-stopped+switchover",
		"no-operator+operator-stopped", "operator-killed+operator-stopped", "primary-wiped+standby-wiped", "standby-wiped+primary-wiped", "primary-wiped+frozen",
		"mid-switchover+switchover", "mid-switchover+operator-stopped", "late-switchover+connections-exhausted"} {
		if slices.Contains(chosen, impossible) {
			t.Errorf("%s was chosen", impossible)
		}
	}
	for _, fault := range Singles() {
		for _, name := range []string{fault.Name, "+" + fault.Name} {
			if !slices.ContainsFunc(chosen, func(c string) bool { return c == name || strings.HasSuffix(c, name) }) {
				t.Errorf("%s was never chosen", name)
			}
		}
	}
	for _, possible := range []string{"volume-stalled+sigkill-postmaster", "volume-stalled+sigkill-pid1", "no-operator+primary-wiped", "operator-killed+switchover", "operator-killed+primary-wiped",
		"mid-switchover+sigkill-pid1", "mid-switchover+node-isolated", "mid-switchover+operator-killed", "mid-switchover+api-frozen",
		"late-switchover+standby-killed", "late-switchover+primary-wiped"} {
		if !slices.Contains(chosen, possible) {
			t.Errorf("%s was never chosen", possible)
		}
	}
}

func TestWhatWasNotTriedIsEachFaultAloneAndWithTheOperatorKilled(t *testing.T) {
	tried := map[string]bool{}
	for _, fault := range Singles() {
		tried[fault.Name] = fault.Name != "primary-wiped"
	}
	names := map[string]bool{}
	for _, fault := range Untried(Singles(), tried) {
		names[fault.Name] = true
	}
	for _, fault := range Singles() {
		if alone := fault.Name == "primary-wiped"; names[fault.Name] != alone {
			t.Errorf("%s alone: %t", fault.Name, names[fault.Name])
		}
		if killing := "operator-killed+" + fault.Name; names[killing] == (fault.Name == "operator-stopped") {
			t.Errorf("%s: %t", killing, names[killing])
		}
	}
}

func TestWithoutSwitchoversNoneIsChosen(t *testing.T) {
	singles := slices.DeleteFunc(Singles(), func(f Fault) bool { return f.Needs != "" })
	choice := rand.New(rand.NewPCG(1, 0))
	for range 500 {
		if fault := Choose(choice, singles); fault.Needs != "" {
			t.Errorf("%s needs a %s", fault.Name, fault.Needs)
		}
	}
}
