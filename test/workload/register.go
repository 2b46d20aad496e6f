package workload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Exchange is one operation on a key: it put a value there and saw the one before.
type Exchange struct {
	Key, Client int
	// Wrote is unique among all exchanges of a key. Saw counts only where Known.
	Wrote, Saw int64
	// Known: the commit was acknowledged. Otherwise it may take effect at any time after Call, or never.
	Known bool
	// Call and Return bound when it took effect. Return does not count where it is unknown.
	Call, Return time.Duration
}

// String is one line of a history. Values are numbers of clients and of their operations.
func (e Exchange) String() string {
	saw := "unknown"
	if e.Known {
		saw = valueString(e.Saw)
	}
	return fmt.Sprintf("key %d: %s to %s: client %d wrote %s, saw %s", e.Key, e.Call.Round(time.Microsecond), e.Return.Round(time.Microsecond),
		e.Client, valueString(e.Wrote), saw)
}

func valueString(value int64) string {
	if value <= 0 {
		return strconv.FormatInt(value, 10)
	}
	return fmt.Sprintf("%d/%d", value>>32-1, value&(1<<32-1))
}

// exchange puts a value and sees the one before, in one statement: what SET reads is the row before it.
const exchange = "UPDATE load_registers SET previous = value, value = $2 WHERE key = $1 RETURNING previous"

// registers are several clients that exchange values of the same keys, in transactions.
type registers struct {
	*tally
	keys    *keyring
	mutex   sync.Mutex
	history []Exchange
}

func newRegisters(o Options) *registers {
	// One operation is left for the last look at each key.
	return &registers{tally: newTally(), keys: newKeyring(o.KeysAtOnce, o.Keys, o.PerKey-1)}
}

func (r *registers) run(l *Load, client int) {
	s := newSession(l.config, l.options, "register")
	defer s.close()
	for sequence := int64(1); l.goesOn(l.options.Pause); sequence++ {
		operation := Exchange{Key: r.keys.take(), Client: client, Wrote: int64(client+1)<<32 | sequence}
		if operation.Key == 0 {
			r.add(Refused, errors.New("all keys are used up: give the load more of them"), l.now())
			return
		}
		operation.Call = l.now()
		outcome, err := s.write(context.Background(), func(ctx context.Context, conn *pgx.Conn) error {
			return transact(ctx, conn, func(tx pgx.Tx) error {
				return tx.QueryRow(ctx, exchange, operation.Key, operation.Wrote).Scan(&operation.Saw)
			})
		})
		operation.Return, operation.Known = l.now(), outcome == Acknowledged
		r.add(outcome, err, operation.Return)
		if outcome == Refused {
			r.keys.giveBack(operation.Key)
			continue
		}
		r.mutex.Lock()
		r.history = append(r.history, operation)
		r.mutex.Unlock()
	}
}

// transact works in a transaction. An error of anything but COMMIT means that it is not committed.
func transact(ctx context.Context, conn *pgx.Conn, work func(pgx.Tx) error) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return uncommittedError{err}
	}
	if err := work(tx); err != nil {
		return uncommittedError{err} // the connection is closed: that rolls back
	}
	return tx.Commit(ctx)
}

func (r *registers) all() []Exchange {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return slices.Clone(r.history)
}
