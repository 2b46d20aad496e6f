package sim

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/timonier-io/timonier/internal/election"
)

var (
	// seeds is how many worlds are tried: a few with the fast tests, many by `make test-sim`.
	seeds = flag.Uint64("seeds", 60, "how many seeds to try")
	// replay tells the story of one.
	replay = flag.Int64("seed", -1, "try this seed alone, and tell its story")
)

// Steps of a world with faults, and how many are given to it afterwards until a write must pass.
const (
	steps     = 3000
	healSteps = 20000
)

// TestMain lets garbage lie for longer: there is much of it, and little else.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	m.Run()
}

func protocol() Rules {
	return Rules{Next: election.NextStep, Vote: election.Member.Vote}
}

// try a world of two to five instances. It ends with its first violation.
func try(seed uint64, rules Rules) *World {
	w := NewWorld(seed, 2+int(seed%4), rules)
	return faulty(w)
}

func faulty(w *World) *World {
	for range steps {
		if w.Step(); w.violation != "" {
			return w
		}
	}
	w.Heal()
	if !w.Electable() && !w.Force() {
		return w // nothing is left
	}
	if !writes(w, "all is healed") || !settles(w) {
		return w
	}
	w.LoseForGood(w.nodes[w.rng.IntN(len(w.nodes))])
	writes(w, "all is healed but one instance, gone for good")
	return w
}

// writes pass again before too long.
func writes(w *World, although string) bool {
	for before, left := len(w.shown), healSteps; len(w.shown) == before && w.violation == ""; left-- {
		if left == 0 && needsAPerson(w) {
			return false
		}
		if left == 0 {
			w.violation = "no write passes although " + although
		}
		w.Step()
	}
	return w.violation == ""
}

// needsAPerson: without a Lease and a leader every volume has to report, and one that is being cloned or rewound cannot. And a member whose rewind was
// interrupted is thrown away only once it is none any more, which takes as many others as a commit has to be on.
func needsAPerson(w *World) bool {
	return w.tooFewAreWhole() || w.api.Lost() && slices.ContainsFunc(w.nodes, func(nd *node) bool { return nd.broken || nd.end() == 0 || nd.end() < nd.data.ConsistentAt })
}

// settles: everybody becomes a member again.
func settles(w *World) bool {
	for left := healSteps; left%8 != 0 || !w.Settled(); left-- {
		if left == 0 {
			w.violation = "not everybody becomes a member again"
		}
		if w.Step(); w.violation != "" {
			break
		}
	}
	return w.violation == ""
}

func TestNothingThatWasShownIsEverMissingAndWritesComeBack(t *testing.T) {
	if *replay >= 0 {
		w := try(uint64(*replay), protocol())
		fmt.Println(strings.Join(w.story, "\n"))
		fmt.Println(w.state())
		if w.violation != "" {
			t.Error(w.violation)
		}
		return
	}
	all := tryAll(*seeds, protocol())
	slices.Sort(all.violations)
	for _, violation := range all.violations {
		t.Error(violation)
	}
	t.Logf("%d seeds of %d steps: %d openings, %d faults, %d records shown, %d violations",
		*seeds, steps, all.leaders, all.faults, all.shown, len(all.violations))
	t.Logf("%d steps with more than one leader open", all.rivals)
	if all.rivals == 0 && *seeds >= 1000 {
		t.Error("that never happens, so that this says nothing about who is able to acknowledge then")
	}
	for _, rule := range []string{
		"voter_stays_detached", "last_holder_may_take_it_back", "named_member_takes_what_it_holds",
		"asynchronous_member_takes_what_expired", "forced_member_leads_alone", "holder_promotes_to_the_leases_timeline",
	} {
		t.Logf("%d terms began by %s", all.taken[rule], rule)
		if all.taken[rule] == 0 && *seeds >= 1000 {
			t.Error("that never happens, so that this says nothing about it")
		}
	}
	crashesAreReached(t, all)
	if all.leaders < int(*seeds) {
		t.Error("too little happens for this to say anything")
	}
}

// crashesAreReached in the middle of steps.
func crashesAreReached(t *testing.T, all *totals) {
	t.Helper()
	for _, at := range points {
		t.Logf("%d crashes at %q", all.crashes[at], at)
		if all.crashes[at] == 0 && *seeds >= 1000 {
			t.Error("that never happens, so that this says nothing about it")
		}
	}
	for _, at := range []point{tellBegin, leaseWrite, leaseSent} {
		t.Logf("%d of those at %q were halfway through a change of the quorum", all.halfways[at], at)
		if all.halfways[at] == 0 && *seeds >= 1000 {
			t.Error("that never happens, so that this says nothing about it")
		}
	}
}

// totals of many worlds.
type totals struct {
	mutex                          sync.Mutex
	leaders, faults, shown, rivals int
	taken                          map[string]int
	crashes, halfways              map[point]int
	violations                     []string
}

func (all *totals) add(seed uint64, w *World) {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	all.leaders, all.faults, all.shown = all.leaders+w.leaders, all.faults+w.faults, all.shown+len(w.shown)
	all.rivals += w.rivals
	for rule, times := range w.taken {
		all.taken[rule] += times
	}
	for _, at := range points {
		all.crashes[at] += w.crashes[at]
		all.halfways[at] += w.halfways[at]
	}
	if w.violation != "" {
		all.violations = append(all.violations, fmt.Sprintf("seed %6d: %s", seed, w.violation))
	}
}

// tryAll worlds up to this seed, on all processors: each world is alone.
func tryAll(seeds uint64, rules Rules) *totals {
	all := &totals{taken: map[string]int{}, crashes: map[point]int{}, halfways: map[point]int{}}
	var next atomic.Uint64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed := next.Add(1) - 1; seed < seeds; seed = next.Add(1) - 1 {
				all.add(seed, try(seed, rules))
			}
		})
	}
	workers.Wait()
	return all
}

func TestTheSameSeedGivesTheSameStory(t *testing.T) {
	for seed := range uint64(8) {
		first, second := try(seed, protocol()), try(seed, protocol())
		if strings.Join(first.story, "\n") != strings.Join(second.story, "\n") {
			t.Errorf("seed %d gives two stories", seed)
		}
	}
}
