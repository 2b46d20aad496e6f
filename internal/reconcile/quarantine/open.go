package quarantine

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
)

// Policy is when something goes into quarantine, and how long it stays.
type Policy struct {
	// MaxRetries failures of the same generation and reason, over at least After, are too many; so are MaxPanics at once.
	MaxRetries, MaxPanics int32
	After                 time.Duration
	// Interval until it is tried again, doubled by each attempt that fails, up to Longest.
	Interval, Longest time.Duration
}

// DefaultPolicy is that of a platform which says nothing else.
func DefaultPolicy() Policy {
	return Policy{MaxRetries: 10, MaxPanics: 3, After: 10 * time.Minute, Interval: 30 * time.Minute, Longest: 6 * time.Hour}
}

// pause before the next attempt, after so many that failed.
func (p Policy) pause(attempts int32) time.Duration {
	pause := p.Interval
	for ; attempts > 0 && pause < p.Longest; attempts-- {
		pause *= 2
	}
	return min(pause, p.Longest)
}

// Facts are what a decision goes by, beside what is remembered.
type Facts struct {
	Now time.Time
	// Generation of the object's spec, version of this operator, and a hash of the Secrets and ConfigMaps that the spec names; "" where that is
	// not known.
	Generation      int64
	OperatorVersion string
	References      string
	// Token of the release that a person asks for by annotation, "" for none.
	Token string
	// Phases that may be put into quarantine, and Vital ones, whose failures are counted and no more. Nothing is remembered of others.
	Phases, Vital []string
	Policy        Policy
	// HandsOff: the object is left alone. What is known of phases that do not run for that stays as it is, and none is tried again; what was asked for
	// meanwhile is done once it is handed back.
	HandsOff bool
	// Shared tells what most objects of the kind fail by; nil for nothing.
	Shared Shared
}

// counted tells whether a phase's failures are.
func (f Facts) counted(phase string) bool {
	return slices.Contains(f.Phases, phase) || slices.Contains(f.Vital, phase)
}

// Why something is tried again.
type Why string

// Reasons to try again.
const (
	NewGeneration Why = "the spec was changed"
	NewReferences Why = "a Secret or ConfigMap that the spec names was changed"
	NewOperator   Why = "another version of the operator runs"
	Asked         Why = "it was asked for"
	ItsTime       Why = "its time has come"
	NotItsFault   Why = "most others fail for the same reason"
)

// Release is a phase that is tried again.
type Release struct {
	Phase string
	Why   Why
}

// Open says, before the phases run, which of those in quarantine are tried again, and why. What it returns is to be given to Suspended, and to Close.
func Open(known contract.FailureStatus, facts Facts) (contract.FailureStatus, []Release) {
	status := *known.DeepCopy()
	if facts.HandsOff {
		return status, nil
	}
	status.Failures = slices.DeleteFunc(status.Failures, func(f contract.Failure) bool { return !facts.counted(f.Phase) })
	status.Quarantine = slices.DeleteFunc(status.Quarantine, func(q contract.Quarantine) bool { return !slices.Contains(facts.Phases, q.Phase) })
	asked := facts.Token != "" && facts.Token != status.Released
	if asked {
		status.Released = facts.Token
	}
	var releases []Release
	for i := range status.Quarantine {
		entry := &status.Quarantine[i]
		if entry.References == "" {
			entry.References = facts.References // which nobody looked at when it came into quarantine, as by three panics at once
		}
		if why := whyTry(*entry, facts, asked); why != "" && !entry.Trying {
			entry.Trying = true
			releases = append(releases, Release{entry.Phase, why})
		}
	}
	return status, releases
}

// whyTry a phase again, "" for no reason.
func whyTry(entry contract.Quarantine, facts Facts, asked bool) Why {
	switch {
	case asked:
		return Asked
	case entry.Generation != facts.Generation:
		return NewGeneration
	case facts.References != "" && entry.References != facts.References:
		return NewReferences
	case entry.OperatorVersion != facts.OperatorVersion:
		return NewOperator
	case facts.Shared != nil && facts.Shared(entry.Reason):
		return NotItsFault
	case !facts.Now.Before(entry.NextAttempt.Time):
		return ItsTime
	}
	return ""
}

// Suspended are the phases that are not to run.
func Suspended(status contract.FailureStatus) []string {
	var phases []string
	for _, entry := range status.Quarantine {
		if !entry.Trying {
			phases = append(phases, entry.Phase)
		}
	}
	return phases
}

// NextAttempt is when the first of those that are suspended is to be tried again; zero for never.
func NextAttempt(status contract.FailureStatus) time.Time {
	var next metav1.Time
	for i := range status.Quarantine {
		if at := status.Quarantine[i].NextAttempt; !status.Quarantine[i].Trying && (next.IsZero() || at.Before(&next)) {
			next = at
		}
	}
	return next.Time
}
