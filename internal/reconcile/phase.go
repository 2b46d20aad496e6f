// Package reconcile is the kit that every controller is built with: a reconciler
// is a short list of named phases over one scope, and what the phases return
// becomes conditions and a requeue in one place (conditions.go).
//
// A phase says Done, or returns one of three kinds of error, found with
// errors.As however deep they are wrapped: *WaitError (something known is being
// waited for), *StalledError (a person must act), or any other (tried again with
// back-off). Phase names are the vocabulary of metrics and messages.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Phase is one step of a reconciler over the scope S.
type Phase[S any] struct {
	// Name in lower-case words with hyphens.
	Name string
	// Requires names the earlier phases without which this one makes no sense. A phase whose
	// requirements did not end in Done is skipped; all others run, so that one broken thing
	// does not keep the rest from being looked after.
	Requires []string
	// Vital phases are never put into quarantine: what keeps data and connections safe is tried for as long as it takes.
	Vital bool
	// Run does the step. It never blocks for what can be waited for with a requeue.
	Run func(ctx context.Context, scope S) error
}

// WaitError says that the phase cannot go on yet, and why.
type WaitError struct {
	// Reason of the condition Reconciling meanwhile.
	Reason  string
	Message string
	// After which time to look again; zero where an event tells.
	After time.Duration
}

func (e *WaitError) Error() string { return e.Reason + ": " + e.Message }

// Wait is a WaitError. A caller that gives a time says in a comment which event is missing.
func Wait(after time.Duration, reason, format string, args ...any) error {
	return &WaitError{Reason: reason, Message: fmt.Sprintf(format, args...), After: after}
}

// StalledError says that a person must act: what is wrong, with which object, and what to do next.
type StalledError struct {
	Reason  string
	Message string
}

func (e *StalledError) Error() string { return e.Reason + ": " + e.Message }

// Stalled is a StalledError.
func Stalled(reason, format string, args ...any) error {
	return &StalledError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Outcome is how a phase ended; Err is nil for Done.
type Outcome struct {
	Phase string
	Err   error
	// Skipped: it did not run, since one that it requires did not end in Done, or since it is Suspended itself.
	Skipped, Suspended bool
}

// Run runs the phases in their order, but those suspended, and tells how each ended. A cancelled context ends it early, and a panic ends its phase alone.
func Run[S any](ctx context.Context, scope S, phases []Phase[S], suspended ...string) []Outcome {
	outcomes := make([]Outcome, 0, len(phases))
	var notDone []string
	for _, phase := range phases {
		outcome := Outcome{Phase: phase.Name}
		switch {
		case ctx.Err() != nil:
			outcome.Err = ctx.Err()
		case slices.Contains(suspended, phase.Name):
			outcome.Skipped, outcome.Suspended = true, true
		case slices.ContainsFunc(phase.Requires, func(name string) bool { return slices.Contains(notDone, name) }):
			outcome.Skipped = true
		default:
			outcome.Err = caught(ctx, scope, phase)
		}
		if outcome.Err != nil || outcome.Skipped {
			notDone = append(notDone, phase.Name)
		}
		outcomes = append(outcomes, outcome)
	}
	return outcomes
}

// caught runs a phase, and turns a panic into its error.
func caught[S any](ctx context.Context, scope S, phase Phase[S]) (err error) {
	defer func() {
		if value := recover(); value != nil {
			stack := debug.Stack()
			err = &PanicError{Value: value, Stack: stack}
			// Where it was is for those who mend it, and too long for a status.
			log.FromContext(ctx).Error(err, "a phase ended in a bug; the others go on", "phase", phase.Name, "stack", string(stack))
		}
	}()
	return phase.Run(ctx, scope)
}

// Names of phases: Ordinary ones may be put into quarantine, of Vital ones failures are counted and no more.
type Names struct{ Ordinary, Vital []string }

// NamesOf phases.
func NamesOf[S any](phases []Phase[S]) Names {
	var names Names
	for _, phase := range phases {
		if phase.Vital {
			names.Vital = append(names.Vital, phase.Name)
		} else {
			names.Ordinary = append(names.Ordinary, phase.Name)
		}
	}
	return names
}

// And others.
func (n Names) And(others Names) Names {
	return Names{slices.Concat(n.Ordinary, others.Ordinary), slices.Concat(n.Vital, others.Vital)}
}

// asWait and asStalled find the kind of an error, however deep it is wrapped.
func asWait(err error) (*WaitError, bool) {
	var wait *WaitError
	return wait, errors.As(err, &wait)
}

func asStalled(err error) (*StalledError, bool) {
	var stalled *StalledError
	return stalled, errors.As(err, &stalled)
}

// Kind of the outcome in one word, for metrics: done, skipped, suspended, wait, stalled or failed.
func (o Outcome) Kind() string {
	if o.Suspended {
		return "suspended"
	}
	if o.Skipped {
		return "skipped"
	}
	if o.Err == nil {
		return "done"
	}
	if _, ok := asWait(o.Err); ok {
		return "wait"
	}
	if _, ok := asStalled(o.Err); ok {
		return "stalled"
	}
	return "failed"
}
