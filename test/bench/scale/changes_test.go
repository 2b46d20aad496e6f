package main

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
)

func TestAChangeCountsFromTheAnswerOfTheAPIUntilAllInstancesHaveIt(t *testing.T) {
	key := types.NamespacedName{Namespace: "n", Name: "c"}
	answered := time.Unix(1000, 0)
	c := newChanges()
	if !c.begin(key, "7", 2) || c.begin(key, "8", 2) {
		t.Fatal("there is one change of a cluster at a time")
	}
	c.received(key, 2, "7", answered.Add(-time.Millisecond)) // faster than the answer
	c.answer(key, 3, answered)
	c.received(key, 1, "6", answered.Add(time.Millisecond)) // an earlier value, sent again
	if c.pending() != 1 {
		t.Fatal("it is taken for applied")
	}
	c.received(key, 1, "7", answered.Add(50*time.Millisecond))
	c.received(key, 1, "7", answered.Add(time.Hour)) // once more
	if c.pending() != 0 || c.generations()[key] != 3 {
		t.Errorf("%d are under way, generations %v", c.pending(), c.generations())
	}
	if !c.begin(key, "8", 2) {
		t.Error("the next change is kept from it")
	}
	c.refuse(key, errors.New("no"))
	if !c.begin(key, "9", 2) {
		t.Error("a change that was refused keeps the next one from it")
	}
	c.answer(key, 4, answered)
	c.withhold()
	taken := c.take(answered.Add(time.Second))
	want := []latency{{first: 0, all: 50 * time.Millisecond}}
	if diff := cmp.Diff(want, taken.applied, cmp.AllowUnexported(latency{})); diff != "" {
		t.Error(diff)
	}
	if len(taken.open) != 1 || taken.open[0] != time.Second || taken.made[key] != 2 || taken.refused != 1 || taken.withheld != 1 {
		t.Errorf("taken: %+v", taken)
	}
	if again := c.take(answered); c.pending() != 0 || len(again.applied)+len(again.open)+len(again.made) != 0 {
		t.Errorf("what was taken is there again: %+v", again)
	}
}

func TestChangesThatDoNotArriveCountWithTheTimeThatWasWaited(t *testing.T) {
	changed, other := types.NamespacedName{Name: "changed"}, types.NamespacedName{Name: "other"}
	made := newTally()
	made.made[changed] = 2
	made.applied = []latency{{first: time.Millisecond, all: 3 * time.Millisecond}}
	made.open = []time.Duration{time.Minute}
	poisoned := &cluster{key: types.NamespacedName{Name: "poisoned"}}
	got := summed(made, written{states: map[types.NamespacedName]int{changed: 3, other: 1, poisoned.key: 2}, live: 9}, []*cluster{poisoned})
	want := Changes{Made: 2, Open: 1, Median: 30001.5, P99: 60000, FirstMedian: 1, FirstP99: 1,
		Milliseconds: []float64{3, 60000}, First: []float64{1}, StateWrites: 3, MostPerChange: 1.5, Unasked: 1, MostOfPoisoned: 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.perChange() != 1.5 || (Changes{}).perChange() != 0 {
		t.Error("the mean is another one")
	}
}
