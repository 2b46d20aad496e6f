package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/timonier-io/timonier/test/workload"
)

// Result of one fault from beginning to end.
type Result struct {
	Fault string    `json:"fault"`
	Began time.Time `json:"began"`
	// GapMilliseconds is the longest time between two acknowledged writes, from the fault until all members were back.
	GapMilliseconds int64 `json:"gapMilliseconds"`
	// Errors are writes that were not acknowledged.
	Errors       int `json:"errors"`
	Acknowledged int `json:"acknowledged"`
	// Lost are acknowledged rows that are missing, and keys whose history is impossible: 0, always.
	Lost int `json:"lost"`
	// From and To are who led before and after, in which terms.
	From     string `json:"from"`
	To       string `json:"to"`
	FromTerm int64  `json:"fromTerm"`
	ToTerm   int64  `json:"toTerm"`
	// Stage of the switchover that the fault hit, where it was to hit one.
	Stage string `json:"stage,omitempty"`
	// Missed: that was not the stage that it was to hit. All else is looked at as ever.
	Missed bool `json:"missed,omitempty"`
	// WholeSeconds is how long all members needed to be back, from the healing.
	WholeSeconds float64 `json:"wholeSeconds"`
	// Problem is what was not as it should be; "" where all was.
	Problem string `json:"problem,omitempty"`

	Figures workload.Figures `json:"-"`
}

func (r Result) String() string {
	text := fmt.Sprintf("%s: gap %d ms, %d errors, %d acknowledged, %d lost; %s (term %d) → %s (term %d); whole %.1f s after healing",
		r.Fault, r.GapMilliseconds, r.Errors, r.Acknowledged, r.Lost, r.From, r.FromTerm, r.To, r.ToTerm, r.WholeSeconds)
	if r.Stage != "" {
		text += "; hit when " + r.Stage
	}
	if r.Missed {
		text += ", which is not the moment"
	}
	return text
}

// Trial is how a fault is tried.
type Trial struct {
	// Load that clients make.
	Load workload.Options
	// BackWithin is how long writes may be away: a deadline for tests. How long it takes is measured.
	BackWithin time.Duration
}

// DefaultTrial has the usual load and a generous deadline.
func DefaultTrial() Trial { return Trial{Load: workload.Defaults(), BackWithin: time.Minute} }

// PatientTrial is for a cluster that is slow, and is allowed to be: clients wait longer for an answer.
func PatientTrial() Trial {
	trial := DefaultTrial()
	trial.Load.AnswerWithin, trial.Load.ConnectWithin = 20*time.Second, 20*time.Second
	return trial
}

const (
	// quiet is how long writes have to go on without a gap, to count as undisturbed or as back.
	quiet = 2 * time.Second
	// stutter is the longest gap that is none: a machine of two cores has others to serve.
	stutter = 500 * time.Millisecond
	// noticedWithin is how long a fault may take until clients notice it.
	noticedWithin = 45 * time.Second
)

// Try one fault: with clients writing, it is made, writes come back, it is healed, all members come back, and all that
// was acknowledged is looked for. The error tells what was not as it should be; whatever happens, the fault is healed.
func (b *Bed) Try(ctx context.Context, fault Fault, how Trial) (Result, error) {
	result := Result{Fault: fault.Name, Began: time.Now().UTC().Truncate(time.Second)}
	err := b.try(ctx, fault, how, &result)
	if err != nil {
		err = fmt.Errorf("%s: %w", fault.Name, err)
		result.Problem = err.Error()
	}
	return result, err
}

func (b *Bed) try(ctx context.Context, fault Fault, how Trial, result *Result) error {
	if err := b.WaitWhole(ctx); err != nil {
		return fmt.Errorf("before anything was done: %w", err)
	}
	if err := b.refresh(ctx); err != nil {
		return fmt.Errorf("before anything was done: %w", err)
	}
	target, err := b.aim(ctx, fault)
	if err != nil {
		return err
	}
	if err := until(ctx, wholeWithin, "clients are led to the primary", target.leadsToPrimary); err != nil {
		return fmt.Errorf("before anything was done: %w", err)
	}
	starting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	load, err := workload.Start(starting, target.Entry, how.Load)
	if err != nil {
		return err
	}
	defer load.Stop()
	if err := steadySince(ctx, load, load.Now(), how.BackWithin); err != nil {
		return fmt.Errorf("before anything was done: %w", err)
	}

	at := load.Now()
	broken := endure(ctx, fault, target, load, how)
	// Whatever went wrong, and even when the time is up: what is broken is healed.
	healing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
	defer cancel()
	broken = errors.Join(broken, target.heal(healing))
	begin := time.Now()
	back := steadySince(ctx, load, load.Now(), how.BackWithin)
	broken = errors.Join(broken, back, b.WaitWhole(ctx))
	result.WholeSeconds = time.Since(begin).Round(100 * time.Millisecond).Seconds()
	if broken == nil {
		broken = fault.then(ctx, target)
	}
	load.Stop()
	result.GapMilliseconds = load.Longest(at).Length().Milliseconds()
	return errors.Join(broken, b.judge(ctx, fault, target, load, result))
}

// endure makes the fault, and waits until it was noticed and writes are back, or for as long as it is to last.
func endure(ctx context.Context, fault Fault, target *Target, load *workload.Load, how Trial) error {
	at := load.Now()
	if err := fault.Inject(ctx, target); err != nil {
		return fmt.Errorf("making the fault: %w", err)
	}
	begin := time.Now()
	if fault.Disrupts {
		err := until(ctx, noticedWithin, "clients notice it", func(context.Context) error {
			if !load.FailedSince(at) {
				return errors.New("no write has failed")
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := steadySince(ctx, load, load.Now(), how.BackWithin); err != nil {
			return err
		}
	}
	if rest := fault.Lasts - time.Since(begin); rest > 0 && !lastsFor(ctx, rest) {
		return ctx.Err()
	}
	return nil
}

// steadySince waits until writes go on without a gap.
func steadySince(ctx context.Context, load *workload.Load, since, within time.Duration) error {
	return until(ctx, within, "writes are back", func(context.Context) error {
		if steady := load.SteadyFor(stutter, since); steady < quiet {
			return fmt.Errorf("they go on since %s; %+v", steady.Round(time.Millisecond), load.Figures())
		}
		return nil
	})
}

// judge what is there at the end, and who leads.
func (b *Bed) judge(ctx context.Context, fault Fault, target *Target, load *workload.Load, result *Result) error {
	result.Figures = load.Figures()
	result.Errors, result.Acknowledged = result.Figures.Errors(), result.Figures.Acknowledged()
	result.From, result.FromTerm, result.Stage, result.Missed = target.Primary, target.Before.Term, target.Stage, target.Missed
	verdict, err := load.Verify(ctx)
	if err != nil {
		return err
	}
	result.Lost = verdict.Lost()
	after, err := b.Leadership(ctx)
	if err != nil {
		return errors.Join(verdict.Err(), err)
	}
	result.To, result.ToTerm = after.Holder, after.Term
	var deposed error
	if fault.KeepsLeader && after.Term != target.Before.Term {
		deposed = fmt.Errorf("the term went from %d (%s) to %d (%s), without a reason", target.Before.Term, target.Primary, after.Term, after.Holder)
	}
	var refused error
	if fault.RefusesNothing && result.Errors > 0 {
		refused = fmt.Errorf("%d writes failed, without a reason: %+v", result.Errors, result.Figures)
	}
	return errors.Join(verdict.Err(), deposed, refused)
}
