package main

import (
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// change of a spec that is under way.
type change struct {
	// value of the parameter, which no other change has.
	value string
	// generation of the spec that has it, 0 before the API has answered; answered is when it did.
	generation int64
	answered   time.Time
	// missing are the instances that have not received it, by ordinal; first and last when the others did.
	missing     map[int]bool
	first, last time.Time
}

// applied tells whether it is known how long it took.
func (c *change) applied() bool { return c.generation > 0 && len(c.missing) == 0 }

// spans from the API's answer to the first and to the last instance's receipt; the operator may be faster than the answer.
func (c *change) spans() latency {
	return latency{first: max(c.first.Sub(c.answered), 0), all: max(c.last.Sub(c.answered), 0)}
}

// latency of a change, to the first instance and to all.
type latency struct{ first, all time.Duration }

// changes of all clusters, at most one of each at the same time.
type changes struct {
	mutex sync.Mutex
	open  map[types.NamespacedName]*change
	tally tally
}

// tally is what became of changes since it was taken last.
type tally struct {
	applied []latency
	// open were not applied everywhere when it was taken, each for as long as this.
	open []time.Duration
	// made are how many changes of each cluster the API took, and generation what the last one led to.
	made       map[types.NamespacedName]int
	generation map[types.NamespacedName]int64
	// refused by the API, and withheld since no cluster was ready and free.
	refused, withheld int
	// problem is the last one that the API answered with.
	problem error
}

func newTally() tally {
	return tally{made: map[types.NamespacedName]int{}, generation: map[types.NamespacedName]int64{}}
}

func newChanges() *changes {
	return &changes{open: map[types.NamespacedName]*change{}, tally: newTally()}
}

// begin a change, which that many instances are to receive; false where one of this cluster is under way.
func (c *changes) begin(key types.NamespacedName, value string, instances int) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.open[key] != nil {
		return false
	}
	begun := &change{value: value, missing: map[int]bool{}}
	for ordinal := 1; ordinal <= instances; ordinal++ {
		begun.missing[ordinal] = true
	}
	c.open[key] = begun
	return true
}

// withhold a change that could be made to no cluster.
func (c *changes) withhold() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.tally.withheld++
}

// refuse a change that the API did not take.
func (c *changes) refuse(key types.NamespacedName, err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	delete(c.open, key)
	c.tally.refused++
	c.tally.problem = err
}

// answer of the API: it took the change, as this generation.
func (c *changes) answer(key types.NamespacedName, generation int64, at time.Time) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.tally.made[key]++
	c.tally.generation[key] = generation
	if begun := c.open[key]; begun != nil {
		begun.generation, begun.answered = generation, at
		c.finish(key, begun)
	}
}

// received by an instance; a value that is not the one that is under way is an earlier one, sent again.
func (c *changes) received(key types.NamespacedName, ordinal int, value string, at time.Time) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	begun := c.open[key]
	if begun == nil || begun.value != value || !begun.missing[ordinal] {
		return
	}
	delete(begun.missing, ordinal)
	if begun.first.IsZero() {
		begun.first = at
	}
	begun.last = at
	c.finish(key, begun)
}

func (c *changes) finish(key types.NamespacedName, begun *change) {
	if begun.applied() {
		c.tally.applied = append(c.tally.applied, begun.spans())
		delete(c.open, key)
	}
}

// pending tells how many are under way.
func (c *changes) pending() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return len(c.open)
}

// generations that the changes since the last tally led to.
func (c *changes) generations() map[types.NamespacedName]int64 {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return maps.Clone(c.tally.generation)
}

// take the tally. What is still open then is given up: nobody waits for it any more.
func (c *changes) take(now time.Time) tally {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	taken := c.tally
	for _, begun := range c.open {
		waited := time.Duration(0)
		if !begun.answered.IsZero() {
			waited = now.Sub(begun.answered)
		}
		taken.open = append(taken.open, waited)
	}
	c.tally, c.open = newTally(), map[types.NamespacedName]*change{}
	return taken
}
