package faults

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// Fault is something that is broken on purpose.
type Fault struct {
	// Name to call it by: lower case, with hyphens.
	Name string
	// Title in tables. How it is done for real, and how it is Healed.
	Title, How, Healed string
	// Inject returns when it is in force; it registers its undoing with OnHeal.
	Inject func(context.Context, *Target) error
	// Disrupts: clients are cut off, and writes must be back while it is still in force.
	Disrupts bool
	// ReadsOn: what was the primary goes on answering whoever reads from it beside, with what gets old.
	ReadsOn bool
	// WritesWait: writes need not be back before it is healed.
	WritesWait bool
	// WritesMustWait: none may be acknowledged before that, for nobody who is left has all that was.
	WritesMustWait bool
	// KeepsLeader: it is no reason for another leader. RefusesNothing: nor for a write that fails.
	KeepsLeader, RefusesNothing bool
	// Lasts is for how long it is in force at least; zero: until writes are back.
	Lasts time.Duration
	// Hits are the nodes that it harms, by which no client should enter; nil for none.
	Hits func(*Target) []string
	// Needs is a kind, without which the fault cannot be made; "" for none.
	Needs string
	// Then is what has to be true once all members are back; nil for nothing more.
	Then func(context.Context, *Target) error
}

func (f Fault) hits(t *Target) []string {
	if f.Hits == nil {
		return nil
	}
	return f.Hits(t)
}

func (f Fault) then(ctx context.Context, t *Target) error {
	if f.Then == nil {
		return nil
	}
	return f.Then(ctx, t)
}

// settle is how long two faults at once are in force at least: as long as it takes to see both, and to act.
const settle = 10 * time.Second

// Together makes two faults at the same moment. Two are more than a cluster of three promises to stand: writes must be
// back when both are healed.
func Together(a, b Fault) Fault {
	return Fault{
		Name: a.Name + "+" + b.Name, Title: a.Title + ", and " + b.Title,
		How: a.How + " At the same moment: " + b.How, Healed: a.Healed + " " + b.Healed,
		Inject: func(ctx context.Context, t *Target) error {
			group, ctx := errgroup.WithContext(ctx)
			for _, each := range []Fault{a, b} {
				group.Go(func() error { return each.Inject(ctx, t) })
			}
			return group.Wait()
		},
		WritesWait:  true,
		KeepsLeader: a.KeepsLeader && b.KeepsLeader,
		Lasts:       max(a.Lasts, b.Lasts, settle),
		Hits:        func(t *Target) []string { return slices.Concat(a.hits(t), b.hits(t)) },
		Needs:       a.Needs + b.Needs,
		Then:        func(ctx context.Context, t *Target) error { return errors.Join(a.then(ctx, t), b.then(ctx, t)) },
	}
}

// WithoutOperator makes a fault while the operator is down. It comes back when the fault is healed.
func WithoutOperator(f Fault) Fault {
	inner := f.Inject
	f.Name, f.Title = "no-operator+"+f.Name, f.Title+", the operator being down"
	f.How, f.Healed = "The operator's Deployment is scaled to none. "+f.How, f.Healed+" The operator is started again."
	f.Inject = func(ctx context.Context, t *Target) error {
		return errors.Join(stopOperator(ctx, t), inner(ctx, t))
	}
	return f
}

// KillingOperator makes a fault, and ends the operator's process right after it: what it was about to do then is half done, or not
// begun, when it runs again.
func KillingOperator(f Fault) Fault {
	inner := f.Inject
	f.Name, f.Title = "operator-killed+"+f.Name, f.Title+", and SIGKILL of the operator"
	f.How, f.Healed = f.How+" Right after that, kill -9 of the operator.", f.Healed+" The kubelet starts the operator again."
	f.Inject = func(ctx context.Context, t *Target) error {
		kill, err := holdOperator(ctx, t)
		if err != nil {
			return err
		}
		return errors.Join(inner(ctx, t), kill())
	}
	return f
}
