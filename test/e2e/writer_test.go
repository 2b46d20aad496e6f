//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// writeEvery is the pace of a writer: one connection, one row at a time.
	writeEvery = 20 * time.Millisecond
	// writeWithin is how long a write may take before it counts as an error.
	writeWithin = 10 * time.Second
)

// writer inserts rows through <c>-rw over one connection and remembers which were acknowledged. After an error it
// connects again, as an application does.
type writer struct {
	cluster *cluster
	cancel  context.CancelFunc
	done    chan struct{}
	watcher *watcher

	mutex        sync.Mutex
	next         int64
	acknowledged []int64
	outages      []outage
}

// outage is the time from the first write that failed to the next one that was acknowledged.
type outage struct {
	from, to time.Time
	// errs tell what the client was told, each once in a row, and when.
	errs []string
}

func (o *outage) add(err error) {
	text := err.Error()
	if last := len(o.errs) - 1; last >= 0 && strings.HasSuffix(o.errs[last], text) {
		return
	}
	o.errs = append(o.errs, fmt.Sprintf("+%d ms %s", time.Since(o.from).Milliseconds(), text))
}

func (o outage) String() string {
	lasted := "not over"
	if !o.to.IsZero() {
		lasted = "for " + o.to.Sub(o.from).Round(time.Millisecond).String()
	}
	return fmt.Sprintf("at %s, %s: %s", o.from.Format(time.TimeOnly), lasted, strings.Join(o.errs, "; "))
}

// underLoad starts a writer, and watches that there are never two writable primaries.
func (c *cluster) underLoad() *writer {
	c.t.Helper()
	c.sql("CREATE TABLE IF NOT EXISTS ledger (id bigint PRIMARY KEY, written timestamptz NOT NULL DEFAULT clock_timestamp())")
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.t.Context()))
	w := &writer{cluster: c, cancel: cancel, done: make(chan struct{}), watcher: c.watchPrimaries()}
	connection := c.open()
	// A writer before this one may have used numbers whose rows were acknowledged to nobody.
	if err := connection.QueryRow(ctx, "SELECT coalesce(max(id), 0) + 1000 FROM ledger").Scan(&w.next); err != nil {
		cancel()
		c.t.Fatalf("finding the last row: %v", err)
	}
	go func() {
		defer close(w.done)
		w.write(ctx, connection)
	}()
	c.t.Cleanup(func() {
		cancel()
		<-w.done
	})
	w.goesOn()
	return w
}

func (w *writer) write(ctx context.Context, connection *pgx.Conn) {
	defer func() {
		if connection != nil {
			_ = connection.Close(context.WithoutCancel(ctx))
		}
	}()
	for ctx.Err() == nil {
		var err error
		if connection == nil {
			connection, err = w.cluster.connect(ctx)
		}
		if err == nil {
			err = w.writeOne(ctx, connection)
		}
		if ctx.Err() != nil {
			return // ended by the test: nothing that happens now counts
		}
		w.record(err)
		if err != nil && connection != nil {
			closing, cancel := context.WithTimeout(ctx, time.Second)
			_ = connection.Close(closing)
			cancel()
			connection = nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(writeEvery): // the pace of the load
		}
	}
}

func (w *writer) writeOne(ctx context.Context, connection *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	// A row whose fate is unknown is never tried again: its number is used up.
	w.next++
	var id int64
	if err := connection.QueryRow(ctx, "INSERT INTO ledger (id) VALUES ($1) RETURNING id", w.next).Scan(&id); err != nil {
		return fmt.Errorf("row %d: %w", w.next, err)
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.acknowledged = append(w.acknowledged, id)
	return nil
}

func (w *writer) record(err error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	last := len(w.outages) - 1
	interrupted := last >= 0 && w.outages[last].to.IsZero()
	switch {
	case err != nil && !interrupted:
		w.outages = append(w.outages, outage{from: time.Now()})
		w.outages[last+1].add(err)
	case err != nil:
		w.outages[last].add(err)
	case interrupted:
		w.outages[last].to = time.Now()
	}
}

func (w *writer) count() int {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return len(w.acknowledged)
}

func (w *writer) interruptions() []outage {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return append([]outage(nil), w.outages...)
}

// goesOn waits until rows are acknowledged that were not yet sent when it was called.
func (w *writer) goesOn() {
	w.cluster.t.Helper()
	before := w.count()
	eventually(w.cluster.t, readyWithin, "writes are acknowledged", func() error {
		if now := w.count(); now < before+5 {
			return fmt.Errorf("%d rows since then; interruptions: %v", now-before, w.interruptions())
		}
		return nil
	})
}

// finish stops the writer and checks what it promised: no acknowledged row is missing, no more interruptions than
// the test allows, never two writable primaries.
func (w *writer) finish(allowed int) {
	t := w.cluster.t
	t.Helper()
	w.goesOn()
	w.cancel()
	<-w.done
	if found := w.interruptions(); len(found) > allowed {
		t.Errorf("writes were interrupted %d times where %d are allowed: %v", len(found), allowed, found)
	} else {
		t.Logf("%d rows acknowledged; interruptions: %v", w.count(), found)
	}
	w.mustBeComplete()
	w.watcher.finish()
}

// mustBeComplete: every acknowledged row is on the primary.
func (w *writer) mustBeComplete() {
	t := w.cluster.t
	t.Helper()
	connection := w.cluster.open()
	defer closeQuietly(connection)
	rows, err := connection.Query(t.Context(), "SELECT id FROM ledger")
	if err != nil {
		t.Fatalf("reading all rows: %v", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatalf("reading all rows: %v", err)
	}
	there := make(map[int64]bool, len(ids))
	for _, id := range ids {
		there[id] = true
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var missing []int64
	for _, id := range w.acknowledged {
		if !there[id] {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		t.Errorf("%d of %d acknowledged rows are missing: %v", len(missing), len(w.acknowledged), missing[:min(len(missing), 20)])
	}
}
