package quarantine

import (
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
)

var began = time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC)

// object is one that is attempted again and again, as a controller does it.
type object struct {
	t      *testing.T
	facts  Facts
	status contract.FailureStatus
	shared Shared
}

func newObject(t *testing.T) *object {
	return &object{t: t, shared: func(string) bool { return false }, facts: Facts{
		Now: began, Generation: 1, OperatorVersion: "v1.2.0", References: "a", Phases: []string{"network", "instances", "access"}, Policy: DefaultPolicy(),
	}}
}

// attempt runs the phase network, unless it is suspended, with this end.
func (o *object) attempt(cause Cause, reason string) (Changes, []Release) {
	o.t.Helper()
	opened, releases := Open(o.status, o.facts)
	var attempts []Attempt
	if !slices.Contains(Suspended(opened), "network") {
		attempts = []Attempt{{Phase: "network", Cause: cause, Reason: reason, Message: "it is so"}}
	}
	status, changes := Close(opened, o.facts, attempts, o.shared)
	o.status = status
	return changes, releases
}

// fail it so often, with so long in between, for the same reason.
func (o *object) fail(times int, between time.Duration) {
	o.t.Helper()
	for range times {
		o.facts.Now = o.facts.Now.Add(between)
		o.attempt(Unknown, "Forbidden")
	}
}

func (o *object) suspended() bool { return slices.Contains(Suspended(o.status), "network") }

// inQuarantine is one that just came there.
func inQuarantine(t *testing.T) *object {
	t.Helper()
	o := newObject(t)
	o.fail(11, time.Minute)
	if !o.suspended() {
		t.Fatalf("after eleven failures in ten minutes it is not in quarantine: %+v", o.status)
	}
	return o
}

func TestAPhaseGoesIntoQuarantineAfterEnoughFailuresOverEnoughTime(t *testing.T) {
	for name, tc := range map[string]struct {
		times   int
		between time.Duration
		want    bool
	}{
		"ten in nine minutes":         {10, time.Minute, false},
		"eleven in ten minutes":       {11, time.Minute, true},
		"nine in an hour":             {9, 7 * time.Minute, false},
		"a hundred within one minute": {100, 600 * time.Millisecond, false},
		"ten in more than ten":        {10, 67 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := newObject(t)
			o.fail(tc.times, tc.between)
			if o.suspended() != tc.want {
				t.Errorf("suspended: %v, want %v; %+v", o.suspended(), tc.want, o.status)
			}
		})
	}
}

func TestAnEntryTellsWhatFailedHowOftenAndWhenItIsTriedAgain(t *testing.T) {
	o := newObject(t)
	o.fail(10, time.Minute)
	o.facts.Now = o.facts.Now.Add(time.Minute)
	changes, _ := o.attempt(Unknown, "Forbidden")
	if len(changes.Entered) != 1 || len(o.status.Quarantine) != 1 || len(o.status.Failures) != 0 {
		t.Fatalf("changes %+v, status %+v", changes, o.status)
	}
	entry := o.status.Quarantine[0]
	if entry.Phase != "network" || entry.Reason != "Forbidden" || entry.Message != "it is so" || entry.Count != 11 || entry.Generation != 1 {
		t.Errorf("it tells %+v", entry)
	}
	if !entry.Since.Time.Equal(o.facts.Now) || !NextAttempt(o.status).Equal(o.facts.Now.Add(30*time.Minute)) {
		t.Errorf("since %s, next attempt %s; now is %s", entry.Since, NextAttempt(o.status), o.facts.Now)
	}
}

func TestWhatPassesOrWaitsOrIsTheUsersToActOnIsNeverCounted(t *testing.T) {
	for _, cause := range []Cause{Passing, Waits, Stalls} {
		o := newObject(t)
		for range 1000 {
			o.facts.Now = o.facts.Now.Add(time.Minute)
			o.attempt(cause, "Any")
		}
		if len(o.status.Failures)+len(o.status.Quarantine) != 0 {
			t.Errorf("cause %d: %+v", cause, o.status)
		}
	}
}

func TestAnotherReasonOrGenerationBeginsToCountAnew(t *testing.T) {
	o := newObject(t)
	o.status = contract.FailureStatus{Failures: []contract.Failure{{Phase: "network", Reason: "Forbidden", Count: 9, First: stamp(began), Generation: 1}}}
	o.attempt(Unknown, "Invalid")
	if got := o.status.Failures[0]; got.Count != 1 || got.Reason != "Invalid" || !got.First.Time.Equal(o.facts.Now) {
		t.Errorf("another reason: %+v", got)
	}
	o.status.Failures[0].Count = 9
	o.facts.Generation = 2
	o.attempt(Unknown, "Invalid")
	if got := o.status.Failures[0]; got.Count != 1 || got.Generation != 2 {
		t.Errorf("another generation: %+v", got)
	}
}

func TestASuccessClearsTheHistory(t *testing.T) {
	o := newObject(t)
	o.fail(9, time.Hour)
	o.attempt(Done, "")
	if len(o.status.Failures) != 0 {
		t.Errorf("it is still counted: %+v", o.status)
	}
}

func TestThreePanicsAreTooManyAtOnceWhateverIsBetween(t *testing.T) {
	o := newObject(t)
	o.attempt(Panic, "Panic")
	o.attempt(Unknown, "Forbidden")
	o.attempt(Panic, "Panic")
	if o.suspended() {
		t.Fatalf("two panics: %+v", o.status)
	}
	o.attempt(Panic, "Panic")
	if !o.suspended() {
		t.Errorf("three panics: %+v", o.status)
	}
}

func TestWhatIsSuspendedIsTriedOnceInALongWhileAndEachTimeLater(t *testing.T) {
	o := inQuarantine(t)
	for attempt, pause := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 6 * time.Hour} {
		o.facts.Now = o.facts.Now.Add(pause - time.Second)
		if _, releases := o.attempt(Unknown, "Forbidden"); len(releases) != 0 {
			t.Fatalf("attempt %d is made a second too early", attempt)
		}
		o.facts.Now = o.facts.Now.Add(time.Second)
		changes, releases := o.attempt(Unknown, "Forbidden")
		if len(releases) != 1 || releases[0].Why != ItsTime || len(changes.Entered) != 1 || !o.suspended() {
			t.Fatalf("attempt %d after %s: released %v, changes %+v", attempt, pause, releases, changes)
		}
		if got := o.status.Quarantine[0]; got.Count != int32(12+attempt) || !got.Since.Time.Equal(began.Add(11*time.Minute)) {
			t.Errorf("attempt %d: %+v", attempt, got)
		}
	}
}

func TestItIsReleasedByWhatMayHaveMendedIt(t *testing.T) {
	for why, change := range map[Why]func(*Facts){
		NewGeneration: func(f *Facts) { f.Generation = 2 },
		NewReferences: func(f *Facts) { f.References = "b" },
		NewOperator:   func(f *Facts) { f.OperatorVersion = "v1.2.1" },
		Asked:         func(f *Facts) { f.Token = "today" },
	} {
		t.Run(string(why), func(t *testing.T) {
			o := inQuarantine(t)
			change(&o.facts)
			changes, releases := o.attempt(Unknown, "Forbidden")
			if len(releases) != 1 || releases[0] != (Release{"network", why}) || len(changes.Entered) != 1 {
				t.Fatalf("released %v, changes %+v", releases, changes)
			}
			if next := NextAttempt(o.status); !next.Equal(o.facts.Now.Add(time.Hour)) {
				t.Errorf("one more failure put it back until %s, want an hour from %s", next, o.facts.Now)
			}
			if _, releases := o.attempt(Unknown, "Forbidden"); len(releases) != 0 || !o.suspended() {
				t.Errorf("the same released it twice: %v", releases)
			}
			change(&o.facts) // again as it is
			o.facts.Now = o.facts.Now.Add(time.Hour)
			changes, _ = o.attempt(Done, "")
			if len(changes.Recovered) != 1 || len(o.status.Quarantine)+len(o.status.Failures) != 0 {
				t.Errorf("it succeeded: changes %+v, status %+v", changes, o.status)
			}
		})
	}
}

func TestAReleaseThatWasAskedForIsEchoedAlsoWhereNothingIsInQuarantine(t *testing.T) {
	o := newObject(t)
	o.facts.Token = "today"
	if _, releases := o.attempt(Done, ""); o.status.Released != "today" || len(releases) != 0 {
		t.Errorf("status %+v, releases %v", o.status, releases)
	}
}

func TestAnAttemptThatWaitsNeitherEndsTheQuarantineNorPutsItBack(t *testing.T) {
	o := inQuarantine(t)
	o.facts.Generation = 2
	if changes, _ := o.attempt(Waits, "Starting"); len(changes.Entered)+len(changes.Recovered) != 0 || o.suspended() || !o.status.Quarantine[0].Trying {
		t.Fatalf("it waits: %+v", o.status)
	}
	if changes, _ := o.attempt(Unknown, "Forbidden"); len(changes.Entered) != 1 || !o.suspended() {
		t.Errorf("it fails after all: %+v", o.status)
	}
}

func TestWhatOthersFailByTooPutsNobodyIntoQuarantineNorBack(t *testing.T) {
	o := newObject(t)
	o.shared = func(reason string) bool { return reason == "Forbidden" }
	o.fail(100, time.Minute)
	if o.suspended() || o.status.Failures[0].Count != 100 {
		t.Fatalf("suspended: %v; %+v", o.suspended(), o.status)
	}
	o.shared = func(string) bool { return false }
	o.attempt(Unknown, "Forbidden")
	if !o.suspended() {
		t.Fatalf("it is its own fault now: %+v", o.status)
	}
	o.shared = func(reason string) bool { return reason == "Forbidden" }
	o.facts.Shared = o.shared
	if _, releases := o.attempt(Unknown, "Forbidden"); len(releases) != 1 || releases[0].Why != NotItsFault {
		t.Errorf("others fail by it too, and it was not released: %v", releases)
	}
	if _, releases := o.attempt(Unknown, "Forbidden"); o.suspended() || o.status.Quarantine[0].Attempts != 0 || len(releases) != 0 {
		t.Errorf("it was put back for what others fail by too: %+v, released %v", o.status, releases)
	}
	o.facts.Shared, o.shared = nil, func(string) bool { return false }
	if o.attempt(Unknown, "Forbidden"); !o.suspended() || o.status.Quarantine[0].Attempts != 1 {
		t.Errorf("the others have recovered, and it is tried on: %+v", o.status)
	}
	o.facts.Shared = func(reason string) bool { return reason != "Forbidden" }
	if _, releases := o.attempt(Unknown, "Forbidden"); len(releases) != 0 || !o.suspended() {
		t.Errorf("it was released for what others fail by, and it does not: %v", releases)
	}
}

func TestWhatIsRememberedOfAPhaseThatIsNoMoreGoes(t *testing.T) {
	o := inQuarantine(t)
	o.facts.Phases = []string{"instances"}
	if opened, _ := Open(o.status, o.facts); len(opened.Quarantine) != 0 {
		t.Errorf("it is still there: %+v", opened)
	}
}

func TestAPhaseThatMayNotBeSuspendedNeverIs(t *testing.T) {
	o := newObject(t)
	o.facts.Phases, o.facts.Vital = []string{"instances"}, []string{"network"}
	o.fail(100, time.Minute)
	o.attempt(Panic, "Panic")
	o.attempt(Panic, "Panic")
	o.attempt(Panic, "Panic")
	if o.suspended() || len(o.status.Failures) != 1 || o.status.Failures[0].Panics != 3 {
		t.Errorf("it is to be counted, and no more: %+v", o.status)
	}
	o.attempt(Done, "")
	if len(o.status.Failures) != 0 {
		t.Errorf("it succeeded: %+v", o.status)
	}
}

func TestNothingIsRememberedOfAPhaseThatNobodyNames(t *testing.T) {
	o := newObject(t)
	o.facts.Phases = []string{"instances"}
	o.fail(100, time.Minute)
	if len(o.status.Failures)+len(o.status.Quarantine) != 0 {
		t.Errorf("status: %+v", o.status)
	}
}

func TestWhileAnObjectIsLeftAloneNothingIsForgottenNorTried(t *testing.T) {
	o := inQuarantine(t)
	o.status.Failures = []contract.Failure{{Phase: "access", Reason: "Forbidden", Count: 4, Last: stamp(o.facts.Now), Generation: 1}}
	before := o.status.DeepCopy()
	o.facts.HandsOff, o.facts.Generation, o.facts.Token, o.facts.OperatorVersion = true, 2, "today", "v1.2.1"
	o.facts.Phases, o.facts.Now = []string{"health"}, o.facts.Now.Add(24*time.Hour)
	opened, releases := Open(o.status, o.facts)
	status, changes := Close(opened, o.facts, []Attempt{{Phase: "health"}}, o.shared)
	if len(releases)+len(changes.Recovered) != 0 || !equality.Semantic.DeepEqual(status, *before) {
		t.Fatalf("releases %v, changes %+v, status %+v", releases, changes, status)
	}

	o.facts.HandsOff, o.facts.Phases = false, []string{"network", "access"}
	if _, releases := o.attempt(Done, ""); len(releases) != 1 || releases[0].Why != Asked || o.status.Released != "today" || len(o.status.Failures) != 1 {
		t.Errorf("handed back: releases %v, status %+v", releases, o.status)
	}
}

func TestAnOldRunOfFailuresEndsByWaitingForLong(t *testing.T) {
	for _, cause := range []Cause{Waits, Stalls} {
		o := newObject(t)
		o.fail(9, time.Minute)
		o.facts.Now = o.facts.Now.Add(29 * time.Minute)
		o.attempt(cause, "Starting")
		if len(o.status.Failures) != 1 {
			t.Fatalf("cause %d: half an hour is not over: %+v", cause, o.status)
		}
		o.facts.Now = o.facts.Now.Add(time.Minute)
		o.attempt(Passing, "Timeout")
		if len(o.status.Failures) != 1 {
			t.Fatalf("what passes says nothing: %+v", o.status)
		}
		o.attempt(cause, "Starting")
		if o.fail(1, time.Minute); o.suspended() || o.status.Failures[0].Count != 1 {
			t.Errorf("cause %d: one failure after a long wait is taken for one more of those before it: %+v", cause, o.status)
		}
	}
}

func TestNothingOfWhatWasGivenIsChanged(t *testing.T) {
	o := inQuarantine(t)
	before := *o.status.DeepCopy()
	given := o.status
	o.facts.Token = "today"
	o.attempt(Unknown, "Forbidden")
	if given.Quarantine[0] != before.Quarantine[0] {
		t.Errorf("it became %+v", given.Quarantine[0])
	}
}
