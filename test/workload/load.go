package workload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options of a load. Defaults has the usual ones.
type Options struct {
	// Every is the pace of the meter, Pause what the other clients wait between two writes.
	Every, Pause time.Duration
	// ConnectWithin and AnswerWithin are how long a client waits for either.
	ConnectWithin, AnswerWithin time.Duration
	// Appenders and Registers are how many clients of each kind there are.
	Appenders, Registers int
	// Keys that there are, KeysAtOnce that are in use at the same time, and operations on each at most.
	Keys, KeysAtOnce, PerKey int
}

// Defaults are a load of about 300 commits a second, which a server on a shared core bears easily.
func Defaults() Options {
	return Options{
		Every: 20 * time.Millisecond, Pause: 20 * time.Millisecond,
		ConnectWithin: time.Second, AnswerWithin: time.Second,
		Appenders: 4, Registers: 4,
		Keys: 20000, KeysAtOnce: 3, PerKey: 50,
	}
}

// Writer is a load of the meter alone, a row every 20 ms: what recovery times are compared by. On a machine that all nodes share, clients that try to connect
// again take the CPU from whoever takes over.
func Writer() Options {
	options := Defaults()
	options.Appenders, options.Registers = 0, 0
	return options
}

// Load is all clients together. Start makes one, Stop ends it, Verify then tells whether the promise was kept.
type Load struct {
	config  *pgx.ConnConfig
	options Options
	begin   time.Time
	stopped chan struct{}
	once    sync.Once
	clients sync.WaitGroup

	meter     *meter
	appenders *appenders
	registers *registers
}

// tables of a load, made anew by each.
var tables = []string{
	"DROP TABLE IF EXISTS load_beats, load_rows, load_registers",
	"CREATE TABLE load_beats (sequence bigint PRIMARY KEY)",
	"CREATE TABLE load_rows (worker integer, sequence bigint, PRIMARY KEY (worker, sequence))",
	"CREATE TABLE load_registers (key integer PRIMARY KEY, value bigint NOT NULL, previous bigint NOT NULL) WITH (fillfactor = 50)",
}

// Start makes the tables and starts all clients. It returns when each kind of client has had writes acknowledged, so
// that what is measured begins in an undisturbed world; an error tells that it did not come to that.
func Start(ctx context.Context, config *pgx.ConnConfig, options Options) (*Load, error) {
	l := &Load{config: config, options: options, begin: time.Now(), stopped: make(chan struct{}),
		meter: newMeter(), appenders: newAppenders(), registers: newRegisters(options)}
	if err := l.prepare(ctx); err != nil {
		return nil, fmt.Errorf("preparing the load: %w", err)
	}
	l.clients.Go(func() { l.meter.run(l) })
	for worker := range options.Appenders {
		l.clients.Go(func() { l.appenders.run(l, l.config, worker, options.Pause) })
	}
	for client := range options.Registers {
		l.clients.Go(func() { l.registers.run(l, client) })
	}
	if err := l.warm(ctx); err != nil {
		l.Stop()
		return nil, err
	}
	return l, nil
}

func (l *Load) prepare(ctx context.Context) error {
	conn, err := reach(ctx, l.config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, statement := range tables {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	_, err = conn.Exec(ctx, "INSERT INTO load_registers SELECT key, 0, 0 FROM generate_series(1, $1::integer) AS key", l.options.Keys)
	return err
}

// warm waits until every kind of client has had some writes acknowledged.
func (l *Load) warm(ctx context.Context) error {
	const enough = 25
	kinds := []*tally{l.meter.tally}
	if l.options.Appenders > 0 {
		kinds = append(kinds, l.appenders.tally)
	}
	if l.options.Registers > 0 {
		kinds = append(kinds, l.registers.tally)
	}
	for {
		warm := true
		for _, kind := range kinds {
			warm = warm && kind.figures().Acknowledged >= enough
		}
		if warm {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the load does not get going: %+v", l.Figures()), ctx.Err())
		case <-time.After(l.options.Every): // the pace of looking
		}
	}
}

// Stop ends all clients, each after the write that it is at. It may be called more than once.
func (l *Load) Stop() {
	l.once.Do(func() { close(l.stopped) })
	l.clients.Wait()
}

// Now is the time since the load's beginning, which all its times count from.
func (l *Load) Now() time.Duration { return l.now() }

func (l *Load) now() time.Duration { return time.Since(l.begin) }

// At is when that was by the load's clock.
func (l *Load) At(moment time.Time) time.Duration { return moment.Sub(l.begin) }

// goesOn waits for the pause between two writes; false when the load is to end.
func (l *Load) goesOn(pause time.Duration) bool {
	select {
	case <-l.stopped:
		return false
	case <-time.After(pause): // the pace of the load
		return true
	}
}

// FailedSince tells whether any client had a write fail at that time or later.
func (l *Load) FailedSince(at time.Duration) bool {
	return l.meter.failedSince(at) || l.appenders.failedSince(at) || l.registers.failedSince(at)
}

// Longest is the longest gap between two acknowledged writes of the meter that ended after that time.
func (l *Load) Longest(from time.Duration) Gap { return l.meter.longest(from, l.now()) }

// SteadyFor tells for how long writes have been acknowledged without a gap of a certain length, up to now; at most as
// long as since that time.
func (l *Load) SteadyFor(gap, since time.Duration) time.Duration {
	return l.meter.steadyFor(gap, since, l.now())
}

// Latest is the sequence of the latest row of the meter, in table load_beats, that was acknowledged by then; 0 for none.
func (l *Load) Latest(by time.Duration) int64 { return l.meter.latest(by) }
