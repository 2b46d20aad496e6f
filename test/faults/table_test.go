package faults

import (
	"regexp"
	"slices"
	"testing"
	"time"
)

// every fault that is tried anywhere.
func every() []Fault {
	return slices.Concat(Singles(), Doubles(), Interrupted(), Orphans(), OfPair(), OfAsynchronous(), Hardships(time.Second), []Fault{Undisturbed(time.Second)})
}

func TestEveryFaultSaysWhatItIsAndHowItIsHealed(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range slices.Concat(Singles(), Doubles(), Interrupted(), Orphans(), []Fault{lastCopyStopped()}) {
		if !regexp.MustCompile(`^[a-z0-9]+([-+][a-z0-9]+)*$`).MatchString(f.Name) || seen[f.Name] {
			t.Errorf("%q is no name, or that of two faults", f.Name)
		}
		seen[f.Name] = true
	}
	for _, f := range every() {
		if f.Title == "" || f.How == "" || f.Healed == "" || f.Inject == nil {
			t.Errorf("%s does not say all of itself", f.Name)
		}
	}
}

func TestEveryFaultTellsWhatItIsWaitedFor(t *testing.T) {
	for _, f := range every() {
		switch {
		case f.Disrupts && f.KeepsLeader:
			t.Errorf("%s disrupts, and is no reason for another leader", f.Name)
		case f.Disrupts && (f.WritesWait || f.WritesMustWait):
			t.Errorf("%s has writes come back before it is healed, and not", f.Name)
		case !f.Disrupts && f.Lasts == 0:
			t.Errorf("%s is over at once: nothing would be seen of it", f.Name)
		}
	}
}

func TestTwoAtOnceHarmWhatEachOfThemDoes(t *testing.T) {
	one := Fault{Name: "one", KeepsLeader: true, Lasts: time.Minute, Hits: func(*Target) []string { return []string{"node-1"} }}
	other := Fault{Name: "other", Disrupts: true, Needs: "Kind", Hits: func(*Target) []string { return []string{"node-2"} }}
	both := Together(one, other)
	if both.Name != "one+other" || both.KeepsLeader || both.Disrupts || !both.WritesWait || both.Lasts != time.Minute || both.Needs != "Kind" {
		t.Errorf("both at once are %+v", both)
	}
	if hit := both.hits(nil); !slices.Equal(hit, []string{"node-1", "node-2"}) {
		t.Errorf("they hit %v", hit)
	}
	if !Together(one, one).KeepsLeader {
		t.Error("two that are no reason for another leader are one together")
	}
}

func TestNoHardshipIsAReasonForAnotherLeader(t *testing.T) {
	for _, f := range Hardships(time.Minute) {
		if !f.KeepsLeader || f.Lasts != time.Minute {
			t.Errorf("%s: %+v", f.Name, f)
		}
	}
	if Named("connections-exhausted").Lasts == time.Minute {
		t.Error("a hardship changed the fault that it is made of")
	}
}
