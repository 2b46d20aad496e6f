package workload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// appenders are several clients that insert rows, each its own.
type appenders struct {
	*tally
	*rows
}

func newAppenders() *appenders { return &appenders{tally: newTally(), rows: newRows()} }

// run one of them, which pauses for longer after a write that was not acknowledged.
func (a *appenders) run(l *Load, config *pgx.ConnConfig, worker int, afterError time.Duration) {
	s := newSession(config, l.options, "append")
	defer s.close()
	pause := l.options.Pause
	for sequence := int64(1); l.goesOn(pause); sequence++ {
		call := l.now()
		outcome, err := s.write(context.Background(), func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "INSERT INTO load_rows (worker, sequence) VALUES ($1, $2)", worker, sequence)
			return err
		})
		became := fate{outcome, call, l.now()}
		a.tally.add(outcome, err, became.end)
		a.rows.add(Row{Worker: worker, Sequence: sequence}, became)
		if pause = l.options.Pause; outcome != Acknowledged {
			pause = afterError
		}
	}
}

// besidePause is what a client beside waits after an error: its server is refused to everybody for most of the time.
const besidePause = 250 * time.Millisecond

// Beside has one more client append rows, that comes to a server by a way of its own and never to another one. What it gets acknowledged is looked for at
// the end like everything else, and counts in no figure. It returns once a row of its was acknowledged.
func (l *Load) Beside(ctx context.Context, config *pgx.ConnConfig) error {
	beside := &appenders{tally: newTally(), rows: l.appenders.rows}
	l.clients.Go(func() { beside.run(l, config, l.options.Appenders, besidePause) })
	for beside.figures().Acknowledged == 0 {
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the client beside does not get going: %+v", beside.figures()), ctx.Err())
		case <-time.After(l.options.Every): // the pace of looking
		}
	}
	return nil
}
