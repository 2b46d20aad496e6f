package faults

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/test/workload"
)

// A primary that is cut off or frozen does not know that another one leads, and may answer a plain SELECT with what was true before. Whoever reads from it
// beside, as from a pod on the same node, sees for how long.

// reader asks what was the primary, again and again over one session, for the latest row of the load.
type reader struct {
	conn *pgx.Conn
	load *workload.Load
	done chan struct{}
	stop context.CancelFunc

	mutex   sync.Mutex
	answers []answer
}

// answer to one question; times are those of the load.
type answer struct {
	asked, came time.Duration
	// latest row that it showed.
	latest int64
}

// readEvery is the pace of the meter.
const readEvery = 20 * time.Millisecond

// readsOn begins to read from the primary, by the way in beside it.
func readsOn(ctx context.Context, beside *pgx.ConnConfig, load *workload.Load) (*reader, error) {
	within, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	config := beside.Copy()
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(within, config)
	if err != nil {
		return nil, fmt.Errorf("reading from %s beside: %w", config.Host, err)
	}
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &reader{conn: conn, load: load, done: make(chan struct{}), stop: stop}
	go r.read(reading)
	return r, nil
}

// read until the session ends.
func (r *reader) read(ctx context.Context) {
	defer close(r.done)
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), readEvery)
		defer cancel()
		_ = r.conn.Close(closing) // the server has ended it, or may be gone
	}()
	for {
		a := answer{asked: r.load.Now()}
		if err := r.conn.QueryRow(ctx, "SELECT coalesce(max(sequence), 0) FROM load_beats").Scan(&a.latest); err != nil {
			return
		}
		a.came = r.load.Now()
		r.mutex.Lock()
		r.answers = append(r.answers, a)
		r.mutex.Unlock()
		if !lastsFor(ctx, readEvery) {
			return
		}
	}
}

// silentFor tells that no answer came for so long, or that the session is at its end.
func (r *reader) silentFor(span time.Duration) error {
	select {
	case <-r.done:
		return nil
	default:
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if len(r.answers) > 0 && r.load.Now()-r.answers[len(r.answers)-1].came < span {
		return errors.New("it answers")
	}
	return nil
}

// close ends the session, where that is not done.
func (r *reader) close() {
	r.stop()
	<-r.done
}

// judge how long what was old was shown.
func (r *reader) judge(result *Result, within time.Duration) error {
	r.close()
	count, span := stale(r.answers, r.load.Latest)
	result.StaleReads, result.StaleMilliseconds = count, span.Milliseconds()
	if span > within {
		return fmt.Errorf("%s showed what was old for %s, which may be %s at most", result.From, span.Round(time.Millisecond), within)
	}
	return nil
}

// stale is how many answers lacked what had been acknowledged before they were asked for, and from when to when there were such.
func stale(answers []answer, latest func(by time.Duration) int64) (count int, span time.Duration) {
	var from time.Duration
	for _, a := range answers {
		if a.latest >= latest(a.asked) {
			continue
		}
		if count == 0 {
			from = a.asked
		}
		count, span = count+1, a.came-from
	}
	return count, span
}
