package workload

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// appenders are several clients that insert rows, each its own.
type appenders struct {
	*tally
	*rows
}

func newAppenders() *appenders { return &appenders{tally: newTally(), rows: newRows()} }

func (a *appenders) run(l *Load, worker int) {
	s := newSession(l.config, l.options, "append")
	defer s.close()
	for sequence := int64(1); l.goesOn(); sequence++ {
		outcome, err := s.write(context.Background(), func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "INSERT INTO load_rows (worker, sequence) VALUES ($1, $2)", worker, sequence)
			return err
		})
		a.tally.add(outcome, err, l.now())
		a.rows.add(Row{Worker: worker, Sequence: sequence}, outcome)
	}
}
