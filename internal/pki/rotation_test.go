package pki

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var seeds = flag.Uint64("seeds", 3, "how many seeds of each simulation to run")

// Rotation goes on for several lives of an authority, and at every moment each party trusts the others:
// while Secrets arrive late, the operator stops between any two writes or is away, and instances do not answer.
func TestWhatIsInUseIsTrustedAtEveryMoment(t *testing.T) {
	for _, test := range []struct {
		name             string
		lifetime, leaf   time.Duration
		tick, late, away time.Duration
	}{
		{"five minutes, Secrets 90 s late", 5 * time.Minute, 5 * time.Minute, 3 * time.Second, 88 * time.Second, 10 * time.Second},
		{"an hour", time.Hour, 20 * time.Minute, 10 * time.Second, 110 * time.Second, 4 * time.Minute},
		{"a year", 365 * day, 90 * day, day, 2 * time.Minute, 14 * day},
	} {
		for seed := range *seeds {
			t.Run(fmt.Sprintf("%s/%d", test.name, seed), func(t *testing.T) {
				w := newWorld(t, seed, NewPolicy(KindPeer, test.lifetime, test.leaf))
				for end := start.Add(4 * test.lifetime); w.now.Before(end); {
					w.disturb(test.away)
					w.step(test.tick, test.late)
					w.check()
				}
				if w.changes[StepSwitch] < 3 {
					t.Errorf("only %d rotations", w.changes[StepSwitch])
				}
			})
		}
	}
}

// disturb makes the operator or an instance's answers go away for a while.
func (w *world) disturb(longest time.Duration) {
	// One absence at a time, and time between them: what is longer in all is another test's.
	if w.random.IntN(200) == 0 && w.now.After(w.away.Add(longest)) {
		w.away = w.now.Add(w.between(0, longest))
	}
	if w.random.IntN(50) == 0 {
		w.holders[w.random.IntN(3)].muteUntil = w.now.Add(w.between(0, 3*longest))
	}
}

// An instance that never answers again delays a rotation to the last moment, and stops nobody.
func TestAnInstanceThatNeverAnswersStopsNobody(t *testing.T) {
	w := newWorld(t, 1, NewPolicy(KindPeer, time.Hour, time.Hour))
	w.holders[2].muteUntil = start.Add(day)
	for end := start.Add(4 * time.Hour); w.now.Before(end); {
		w.step(10*time.Second, 110*time.Second)
		w.check()
	}
	if w.changes[StepSwitch] < 3 {
		t.Errorf("only %d rotations", w.changes[StepSwitch])
	}
}

// However the operator's absence or a deleted Secret left it, all trust each other again once Secrets have arrived.
func TestItHealsAfterLoss(t *testing.T) {
	for name, harm := range map[string]func(w *world){
		"operator away over the expiry": func(w *world) { w.now = w.now.Add(5 * time.Hour) },
		"authority deleted":             func(w *world) { w.stored = State{} },
		"key deleted":                   func(w *world) { w.stored.Current.Key = nil },
		"key and monitoring's Secret deleted": func(w *world) {
			w.stored.Current.Key, w.out[secretMonitor] = nil, shown{}
		},
		"successor deleted":         func(w *world) { w.stored.Next = Authority{} },
		"all Secrets deleted":       func(w *world) { w.stored, w.out = State{}, make([]shown, secrets) },
		"instances' Secret deleted": func(w *world) { w.out[secretInstances] = shown{} },
	} {
		for seed := range *seeds {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				w := newWorld(t, seed, NewPolicy(KindPeer, time.Hour, time.Hour))
				for range w.random.IntN(500) {
					w.step(10*time.Second, 110*time.Second)
					w.check()
				}
				harm(w)
				for range 40 {
					w.step(10*time.Second, 110*time.Second)
				}
				for range 500 {
					w.step(10*time.Second, 110*time.Second)
					w.check()
				}
			})
		}
	}
}

// A deleted authority whose leaves are published is not even noticed by those who use them.
func TestALostAuthorityInterruptsNothing(t *testing.T) {
	for seed := range *seeds {
		w := newWorld(t, seed, NewPolicy(KindPeer, time.Hour, time.Hour))
		for i := range 2000 {
			if i%300 == 100 {
				w.stored = State{}
				w.operate()
			}
			w.step(10*time.Second, 110*time.Second)
			w.check()
		}
	}
}
