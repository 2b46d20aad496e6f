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
	// Conceded are acknowledged rows that are missing as well, as the mode of the cluster allows: see promise.go.
	Conceded int `json:"conceded,omitempty"`
	// From and To are who led before and after, in which terms.
	From     string `json:"from"`
	To       string `json:"to"`
	FromTerm int64  `json:"fromTerm"`
	ToTerm   int64  `json:"toTerm"`
	// Stage of the switchover that the fault hit, where it was to hit one.
	Stage string `json:"stage,omitempty"`
	// Missed: that was not the stage that it was to hit. All else is looked at as ever.
	Missed bool `json:"missed,omitempty"`
	// StaleReads are answers of the former primary that lacked what had been acknowledged before they were asked for, where it was asked, and
	// StaleMilliseconds from when to when there were such.
	StaleReads        int   `json:"staleReads,omitempty"`
	StaleMilliseconds int64 `json:"staleMilliseconds,omitempty"`
	// WholeSeconds is how long all members needed to be back, from the healing.
	WholeSeconds float64 `json:"wholeSeconds"`
	// Problem is what was not as it should be; "" where all was.
	Problem string `json:"problem,omitempty"`

	Figures workload.Figures `json:"-"`
}

// IsFault tells whether anything was broken.
func (r Result) IsFault() bool { return r.Fault != undisturbed }

func (r Result) String() string {
	text := fmt.Sprintf("%s: gap %d ms, %d errors, %d acknowledged, %d lost; %s (term %d) → %s (term %d); whole %.1f s after healing",
		r.Fault, r.GapMilliseconds, r.Errors, r.Acknowledged, r.Lost, r.From, r.FromTerm, r.To, r.ToTerm, r.WholeSeconds)
	if r.Conceded > 0 {
		text += fmt.Sprintf("; %d rows are missing that may be", r.Conceded)
	}
	if r.StaleReads > 0 {
		text += fmt.Sprintf("; the former primary showed what was old %d times, for %d ms", r.StaleReads, r.StaleMilliseconds)
	}
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
	// SeesReadsOut: a fault that lets the former primary be read from is in force until that ends by itself.
	SeesReadsOut bool
	// WritesBeside: where that lets the former primary be read from, somebody goes on writing to it as well.
	WritesBeside bool
}

// DefaultTrial has the usual load and a generous deadline.
func DefaultTrial() Trial {
	return Trial{Load: workload.Defaults(), BackWithin: time.Minute, WritesBeside: true}
}

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
	// looksWithin is how much later than a lease duration the former primary may stop to show what is old: at its next look, which takes a moment.
	looksWithin = 3 * time.Second
	// readsEnd is when nobody can read from it: no answer came for so long.
	readsEnd = time.Second
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
	target.load = load
	if err := steadySince(ctx, load, load.Now(), how.BackWithin); err != nil {
		return fmt.Errorf("before anything was done: %w", err)
	}

	if fault.ReadsOn {
		defer target.leaveBeside()
		if err := target.comeBeside(ctx, load, how.WritesBeside); err != nil {
			return fmt.Errorf("before anything was done: %w", err)
		}
	}
	if err := target.lookAgain(ctx); err != nil {
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
	return errors.Join(broken, b.judge(ctx, fault, target, at, result))
}

// endure makes the fault, and waits until it was noticed and writes are back, or for as long as it is to last.
func endure(ctx context.Context, fault Fault, target *Target, load *workload.Load, how Trial) error {
	at := load.Now()
	if err := fault.Inject(ctx, target); err != nil {
		return fmt.Errorf("making the fault: %w", err)
	}
	begin, latest := time.Now(), load.Latest(load.Now())
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
	if how.SeesReadsOut && target.reader != nil {
		err := until(ctx, 2*(target.Before.Lasts+looksWithin), "the former primary answers no reader any more", func(context.Context) error { return target.reader.silentFor(readsEnd) })
		if err != nil {
			return err
		}
	}
	if rest := fault.Lasts - time.Since(begin); rest > 0 && !lastsFor(ctx, rest) {
		return ctx.Err()
	}
	if row := load.Latest(load.Now()); fault.WritesMustWait && row > latest {
		return fmt.Errorf("rows up to %d were acknowledged, and nobody who is left has all up to %d", row, latest)
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
func (b *Bed) judge(ctx context.Context, fault Fault, target *Target, at time.Duration, result *Result) error {
	load := target.load
	result.Figures = load.Figures()
	result.Errors, result.Acknowledged = result.Figures.Errors(), result.Figures.Acknowledged()
	result.From, result.FromTerm, result.Stage, result.Missed = target.Primary, target.Before.Term, target.Stage, target.Missed
	after, err := b.Leadership(ctx)
	if err != nil {
		return err
	}
	result.To, result.ToTerm = after.Holder, after.Term
	conceded, early := conceded(target.Before, after, at, load.At)
	verdict, err := load.Verify(ctx, conceded)
	if err != nil {
		return errors.Join(early, err)
	}
	result.Lost, result.Conceded = verdict.Lost(), len(verdict.Conceded)
	var showed error
	if target.reader != nil {
		showed = target.reader.judge(result, target.Before.Lasts+looksWithin)
	}
	var deposed error
	if fault.KeepsLeader && after.Term != target.Before.Term {
		deposed = fmt.Errorf("the term went from %d (%s) to %d (%s), without a reason", target.Before.Term, target.Primary, after.Term, after.Holder)
	}
	var refused error
	if fault.RefusesNothing && result.Errors > 0 {
		refused = fmt.Errorf("%d writes failed, without a reason: %+v", result.Errors, result.Figures)
	}
	return errors.Join(verdict.Err(), early, showed, deposed, refused)
}
