package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/timonier-io/timonier/test/bench/figures"
)

// bench is a measurement under way.
type bench struct {
	options
	world    *world
	fleet    *fleet
	changes  *changes
	statuses *statuses
	stub     *stub
	operator *operator
	poisoner poison // nil where there is none
	random   *rand.Rand
	// value that was set last, counted from the first one: no two changes have the same.
	value int
	// ends are what stops that which was started, in the order of the starts.
	ends []func() error
}

func measure(ctx context.Context, o options) error {
	where, err := figures.Describe(ctx)
	if err != nil {
		return err
	}
	if where.Dirty && !o.dirty {
		return errors.New("files are changed, so that the figures would belong to no commit: commit them, or pass --dirty")
	}
	if err := o.check(); err != nil {
		return err
	}
	record, err := read(o.json)
	if err != nil {
		return err
	}
	b := &bench{options: o, random: rand.New(rand.NewPCG(o.seed, 0))} // a measurement can be repeated
	if b.poisoner, err = poisonOf(o.poison, o.poisonBy); err != nil {
		return err
	}
	log.SetLogger(logr.Discard()) // what the libraries have to say of their own caches
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	err = b.open(ctx, fail)
	if err == nil {
		err = b.all(ctx, fail, record, Measurement{Where: where})
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(cause, err)
	}
	return errors.Join(err, b.close())
}

// open starts everything; what was started is in ends, also where something failed.
func (b *bench) open(ctx context.Context, fail context.CancelCauseFunc) error {
	b.fleet, b.changes, b.statuses = newFleet(b.clusters, b.instances, b.perNamespace), newChanges(), newStatuses()
	b.world = newWorld(b.bin)
	b.ends = append(b.ends, b.world.stop)
	fmt.Println("starting etcd and kube-apiserver")
	if err := b.world.start(ctx); err != nil {
		return err
	}
	var err error
	if b.stub, err = newStub(b.world.kube, b.fleet, b.changes, b.operatorFile("timonier-instance")); err != nil {
		return err
	}
	if err := b.stub.serve(ctx); err != nil {
		return err
	}
	b.ends = append(b.ends, b.stub.close)
	stopWatching, err := watch(ctx, b.world, &kubelet{kube: b.world.kube, fleet: b.fleet}, b.statuses)
	if err != nil {
		return err
	}
	b.ends = append(b.ends, stopWatching)
	fmt.Println("starting the operator")
	if b.operator, err = b.startOperator(fail); err != nil {
		return err
	}
	b.ends = append(b.ends, func() error { return b.operator.stop() }) // it may be another one by then
	return b.awaitOperator(ctx)
}

// close ends everything, what was started last first.
func (b *bench) close() error {
	var errs []error
	for _, end := range slices.Backward(b.ends) {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// all of a measurement; what is there already is kept after each run.
func (b *bench) all(ctx context.Context, fail context.CancelCauseFunc, former Record, m Measurement) (err error) {
	if m.Settings, err = b.settings(ctx); err != nil {
		return err
	}
	if err := b.atRest(ctx, &m); err != nil {
		return err
	}
	if err := b.keep(former, &m); err != nil {
		return err
	}
	if err := b.allRuns(ctx, former, &m); err != nil {
		return err
	}
	if b.freeze > 0 {
		if m.Outage, err = b.outage(ctx, fail); err != nil {
			return fmt.Errorf("an outage of the API: %w", err)
		}
	}
	m.Verdicts = m.judge()
	if err := b.keep(former, &m); err != nil {
		return err
	}
	fmt.Print(m.table())
	return errors.Join(b.shown(m), judged(m.Verdicts))
}

// atRest creates all clusters, and looks at what the operator does while nobody changes anything.
func (b *bench) atRest(ctx context.Context, m *Measurement) (err error) {
	// Before there are any: a Platform that comes later has all of them looked at.
	if b.poisoner != nil {
		if err := b.quarantineSoon(ctx); err != nil {
			return fmt.Errorf("creating the Platform: %w", err)
		}
		if err := b.poisoner.prepare(ctx, b); err != nil {
			return fmt.Errorf("preparing the poison: %w", err)
		}
	}
	if m.Creation, err = b.create(ctx); err != nil {
		return fmt.Errorf("creating the clusters: %w", err)
	}
	fmt.Println(m.Creation)
	// What the creation has left behind, such as a first look at all of them, is not the rest.
	if err := pause(ctx, b.rest); err != nil {
		return err
	}
	fmt.Printf("leaving them alone for %s\n", b.rest)
	if m.Rest, _, err = b.seenDuring(ctx, func(ctx context.Context) error { return pause(ctx, b.rest) }); err != nil {
		return fmt.Errorf("at rest: %w", err)
	}
	m.BytesPerCluster = 1024 * m.perCluster()
	fmt.Printf("at rest: %s\n", m.Rest)
	return nil
}

// allRuns of the plan.
func (b *bench) allRuns(ctx context.Context, former Record, m *Measurement) error {
	for _, turn := range plan(b.pairs, b.poisoner != nil) {
		run, err := b.once(ctx, turn)
		if err != nil {
			return fmt.Errorf("%s: %w", turn, err)
		}
		fmt.Println(run)
		m.Runs = append(m.Runs, run)
		if err := b.keep(former, m); err != nil {
			return err
		}
	}
	return nil
}

// keep what there is of a measurement behind the former ones, where a file was named.
func (b *bench) keep(former Record, m *Measurement) error {
	var err error
	if m.LoadAfter, err = figures.Load(); err != nil || b.json == "" {
		return err
	}
	return former.with(*m).write(b.json)
}

// shown on the page, where one was named.
func (b *bench) shown(m Measurement) error {
	if b.page == "" {
		return nil
	}
	return figures.WriteInto(b.page, "bench-scale", m.table())
}

// pause for a while: what is to be measured, or what lies between.
func pause(ctx context.Context, span time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(span):
		return nil
	}
}
