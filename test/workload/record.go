package workload

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// tally counts the outcomes of one kind of client, and why writes failed. Safe for concurrent use.
type tally struct {
	mutex   sync.Mutex
	counts  map[Outcome]int
	reasons map[string]int
	// lastError is when a write failed last; zero for never.
	lastError time.Duration
}

// reasonsKept bounds how many different reasons are kept: they may hold addresses or numbers.
const reasonsKept = 20

func newTally() *tally { return &tally{counts: map[Outcome]int{}, reasons: map[string]int{}} }

func (t *tally) add(outcome Outcome, err error, at time.Duration) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.counts[outcome]++
	if err == nil {
		return
	}
	t.lastError = at
	reason := inShort(err)
	if _, known := t.reasons[reason]; known || len(t.reasons) < reasonsKept {
		t.reasons[reason]++
	}
}

// inShort is why a write failed, without addresses: so that equal reasons are counted together.
func inShort(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return fmt.Sprintf("%s %s %s", server.SeverityUnlocalized, server.Code, server.Message)
	}
	inner := err
	for next := errors.Unwrap(inner); next != nil && !errors.Is(inner, errWarned); next = errors.Unwrap(next) {
		inner = next
	}
	return inner.Error()
}

// failedSince tells whether a write failed at that time or later.
func (t *tally) failedSince(at time.Duration) bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.lastError > 0 && t.lastError >= at
}

func (t *tally) figures() Counts {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return Counts{
		Acknowledged: t.counts[Acknowledged], Unknown: t.counts[Unknown], Refused: t.counts[Refused],
		Reasons: maps.Clone(t.reasons),
	}
}

// Row is one inserted row.
type Row struct {
	Worker   int
	Sequence int64
}

// fate of a row: what became of it, when it was sent, and when that was known.
type fate struct {
	outcome   Outcome
	call, end time.Duration
}

// rows remembers what became of each row. Safe for concurrent use.
type rows struct {
	mutex sync.Mutex
	fates map[Row]fate
}

func newRows() *rows { return &rows{fates: map[Row]fate{}} }

func (r *rows) add(row Row, became fate) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.fates[row] = became
}

func (r *rows) all() map[Row]fate {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return maps.Clone(r.fates)
}
