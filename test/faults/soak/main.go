// soak breaks a cluster at random for a long time: faults one after the other, two at once, in the middle of a switchover, and while
// the operator is down or as it is killed; first what no soak before has tried alone, or killing the operator. Each is checked as the tests check it. `make soak` runs it:
//
//	go run ./test/faults/soak --for 8h --seed 42
//
// Before, what must not make anybody fail over is done for --steady each. Every round is kept in bench/soak.json with commit and machine, behind
// those of the soaks before; it is written after each, so that one that is interrupted tells what it has seen. When something acknowledged is lost it stops
// at once, and leaves the cluster as it is for whoever wants to know why.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/timonier-io/timonier/test/bench/figures"
	"github.com/timonier-io/timonier/test/faults"
)

func main() {
	var s soak
	var steady time.Duration
	flag.DurationVar(&s.span, "for", 30*time.Minute, "how long")
	flag.Uint64Var(&s.summary.Seed, "seed", uint64(time.Now().UnixNano()), "seed of what is chosen; the same one chooses the same, after the same soaks")
	flag.DurationVar(&steady, "steady", 5*time.Minute, "how long each of what must not make anybody fail over lasts; 0 leaves that out")
	flag.StringVar(&s.file, "json", "bench/soak.json", "where every round goes")
	flag.StringVar(&s.page, "page", "docs/benchmarks.md", "page that holds the summary")
	flag.StringVar(&s.measured, "measured", "bench/ha.json", "what was measured, whose faults count too")
	flag.BoolVar(&s.dirty, "dirty", false, "go on although files are changed; nothing is written then")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := s.run(ctx, steady)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// soak is one under way.
type soak struct {
	span                 time.Duration
	file, page, measured string
	dirty                bool
	begin                time.Time
	enduring             bool // hardships, not faults
	record               Record
	summary              Summary
}

// errLost stops everything.
var errLost = errors.New("something acknowledged is lost: the cluster is left as it is")

func (s *soak) run(ctx context.Context, steady time.Duration) error {
	var err error
	if s.summary.Where, err = figures.Describe(ctx); err != nil {
		return err
	}
	if s.summary.Dirty && !s.dirty {
		return errors.New("files are changed, so that what is found would belong to no commit: commit them, or pass --dirty")
	}
	if s.record, err = read(s.file); err != nil {
		return err
	}
	kubernetes, err := faults.Connect(".")
	if err != nil {
		return err
	}
	singles, err := kubernetes.Possible(ctx, faults.Singles())
	if err != nil {
		return err
	}
	s.begin, s.summary.Wanted = time.Now(), int(s.span.Seconds())
	fmt.Printf("seed %d\n", s.summary.Seed)
	if steady > 0 {
		if err := s.hardships(ctx, kubernetes, steady); err != nil {
			return err
		}
	}
	bed := &faults.Bed{Kubernetes: kubernetes, Namespace: "soak", Cluster: "soaked"}
	first := faults.Untried(singles, s.record.tried())
	rand.New(rand.NewPCG(s.summary.Seed, 1)).Shuffle(len(first), func(i, j int) { first[i], first[j] = first[j], first[i] })
	err = s.all(ctx, bed, faults.DefaultTrial(), func(choice *rand.Rand) (next faults.Fault, goesOn bool) {
		if len(first) > 0 {
			next, first = first[0], first[1:]
		} else {
			next = faults.Choose(choice, singles)
		}
		return next, time.Since(s.begin) < s.span
	})
	if err == nil && s.summary.Failed > 0 {
		err = fmt.Errorf("%d of %d rounds failed: see %s", s.summary.Failed, s.summary.Rounds, s.file)
	}
	return err
}

// hardships one after the other, on a cluster of their own.
func (s *soak) hardships(ctx context.Context, kubernetes *faults.Kubernetes, steady time.Duration) error {
	rest := faults.Hardships(steady)
	bed := &faults.Bed{Kubernetes: kubernetes, Namespace: "soak-hardships", Cluster: "narrow", Edits: faults.Narrowed()}
	s.enduring = true
	defer func() { s.enduring = false }()
	return s.all(ctx, bed, faults.PatientTrial(), func(*rand.Rand) (next faults.Fault, goesOn bool) {
		if len(rest) > 0 {
			next, goesOn = rest[0], true
			rest = rest[1:]
		}
		return next, goesOn
	})
}

// all faults that next gives, on one cluster, which is made anew after one that did not go well.
func (s *soak) all(ctx context.Context, bed *faults.Bed, trial faults.Trial, next func(*rand.Rand) (faults.Fault, bool)) error {
	choice := rand.New(rand.NewPCG(s.summary.Seed, 0))
	whole := false
	for ctx.Err() == nil {
		fault, goesOn := next(choice)
		if !goesOn {
			break
		}
		if !whole {
			if err := bed.Make(ctx); err != nil {
				return err
			}
		}
		result, err := bed.Try(ctx, fault, trial)
		if ctx.Err() != nil {
			break // it was interrupted: that is no failure
		}
		whole = err == nil
		if err := s.note(result); err != nil {
			return err
		}
		if result.Lost > 0 {
			return fmt.Errorf("%w: namespace %s; %w", errLost, bed.Namespace, err)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s\n", err, bed.Diagnosis(ctx))
		}
	}
	return errors.Join(ctx.Err(), bed.Remove(context.WithoutCancel(ctx)))
}

// note a round, in the summary, in its file, and in the page.
func (s *soak) note(result faults.Result) error {
	fmt.Printf("%s %s\n", time.Since(s.begin).Round(time.Second), result)
	load, err := figures.Load()
	if err != nil {
		return err
	}
	s.summary.LoadAfter = load
	s.summary.add(Round{Result: result, MachineLoad: load, Hardship: s.enduring}, time.Since(s.begin))
	if s.summary.Dirty {
		return nil
	}
	whole := Record{Soaks: append(slices.Clone(s.record.Soaks), s.summary)}
	if err := whole.write(s.file); err != nil {
		return err
	}
	table, err := whole.table(s.measured)
	if err != nil {
		return err
	}
	return figures.WriteInto(s.page, "soak", table)
}
