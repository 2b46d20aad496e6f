package quarantine

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
)

// Changes that the end of the phases has brought, to be told.
type Changes struct {
	// Entered quarantine now, or were put back into it.
	Entered []contract.Quarantine
	// Recovered are phases that were in quarantine, and succeeded.
	Recovered []string
}

// Shared tells whether others of an object's kind fail for the same reason, so that the fault is not the object's.
type Shared func(reason string) bool

// Close takes in how the phases ended that ran. What fails for a shared reason is counted, and neither put into quarantine nor put back into it.
func Close(opened contract.FailureStatus, facts Facts, attempts []Attempt, shared Shared) (contract.FailureStatus, Changes) {
	status, changes := *opened.DeepCopy(), Changes{}
	for _, attempt := range attempts {
		switch {
		case !facts.counted(attempt.Phase):
			// Nothing is remembered of it.
		case attempt.Cause == Done:
			if succeeded(&status, attempt.Phase) {
				changes.Recovered = append(changes.Recovered, attempt.Phase)
			}
		case attempt.Cause.Counts():
			if entry := failed(&status, facts, attempt, shared); entry != nil {
				changes.Entered = append(changes.Entered, *entry)
			}
		case attempt.Cause == Waits || attempt.Cause == Stalls:
			// It neither failed nor came to its end: what is remembered of it stays for a while.
			outlive(&status, facts, attempt.Phase)
		default:
			// What passes says nothing.
		}
	}
	return status, changes
}

// succeeded forgets all of a phase, and tells whether it was in quarantine.
func succeeded(status *contract.FailureStatus, phase string) bool {
	before := len(status.Quarantine)
	status.Failures = slices.DeleteFunc(status.Failures, func(f contract.Failure) bool { return f.Phase == phase })
	status.Quarantine = slices.DeleteFunc(status.Quarantine, func(q contract.Quarantine) bool { return q.Phase == phase })
	return len(status.Quarantine) < before
}

// outlive an old run of failures: a phase that knows what it waits for, so long after it failed last, fails no more. The time is that of a first probe, longer
// than any back-off, so that a run is never cut short between two of its failures. What is in quarantine ends by success alone.
func outlive(status *contract.FailureStatus, facts Facts, phase string) {
	status.Failures = slices.DeleteFunc(status.Failures, func(f contract.Failure) bool {
		return f.Phase == phase && facts.Now.Sub(f.Last.Time) >= facts.Policy.Interval
	})
}

// failed counts a failure. It returns the entry of the phase where it came, or came back, into quarantine by it.
func failed(status *contract.FailureStatus, facts Facts, attempt Attempt, shared Shared) *contract.Quarantine {
	if i := slices.IndexFunc(status.Quarantine, func(q contract.Quarantine) bool { return q.Phase == attempt.Phase }); i >= 0 {
		return putBack(&status.Quarantine[i], facts, attempt, shared)
	}
	failure := count(status, facts, attempt)
	if slices.Contains(facts.Vital, attempt.Phase) || !tooMany(failure, facts) || shared(attempt.Reason) {
		return nil
	}
	status.Failures = slices.DeleteFunc(status.Failures, func(f contract.Failure) bool { return f.Phase == attempt.Phase })
	entry := contract.Quarantine{Phase: attempt.Phase, Count: failure.Count, Since: stamp(facts.Now)}
	renew(&entry, facts, attempt)
	status.Quarantine = append(status.Quarantine, entry)
	return &entry
}

// count a failure, and return what is known of its phase now.
func count(status *contract.FailureStatus, facts Facts, attempt Attempt) contract.Failure {
	now := stamp(facts.Now)
	next := contract.Failure{Phase: attempt.Phase, Reason: attempt.Reason, Message: attempt.Message, Count: 1, First: now, Last: now, Generation: facts.Generation}
	i := slices.IndexFunc(status.Failures, func(f contract.Failure) bool { return f.Phase == attempt.Phase })
	if i < 0 {
		status.Failures = append(status.Failures, contract.Failure{})
		i = len(status.Failures) - 1
	} else if before := status.Failures[i]; before.Generation == facts.Generation {
		next.Panics = before.Panics // whatever else it fails by in between
		if before.Reason == attempt.Reason {
			next.Count, next.First = before.Count+1, before.First
		}
	}
	if attempt.Cause == Panic {
		next.Panics++
	}
	status.Failures[i] = next
	return next
}

// tooMany failures for the phase to be tried on as before.
func tooMany(failure contract.Failure, facts Facts) bool {
	lasted := facts.Now.Sub(failure.First.Time)
	return failure.Panics >= facts.Policy.MaxPanics || failure.Count >= facts.Policy.MaxRetries && lasted >= facts.Policy.After
}

// putBack a phase that was tried again in vain. What is suspended did not run, and what fails as others do is tried on.
func putBack(entry *contract.Quarantine, facts Facts, attempt Attempt, shared Shared) *contract.Quarantine {
	if !entry.Trying {
		return nil
	}
	entry.Count++
	if shared(attempt.Reason) {
		return nil
	}
	entry.Attempts++
	renew(entry, facts, attempt)
	return entry
}

// renew says how long it stays from now on, and with what it failed.
func renew(entry *contract.Quarantine, facts Facts, attempt Attempt) {
	entry.Trying = false
	entry.Reason, entry.Message = attempt.Reason, attempt.Message
	entry.Generation, entry.OperatorVersion, entry.References = facts.Generation, facts.OperatorVersion, facts.References
	entry.NextAttempt = stamp(facts.Now.Add(facts.Policy.pause(entry.Attempts)))
}

// stamp is a time as the API keeps it: in whole seconds.
func stamp(at time.Time) metav1.Time { return metav1.NewTime(at.Truncate(time.Second)) }
