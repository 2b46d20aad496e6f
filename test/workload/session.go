package workload

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// session is one client's connection. Only that client uses it.
type session struct {
	config  *pgx.ConnConfig
	options Options
	conn    *pgx.Conn
	warning *pgconn.Notice
}

// newSession prepares a client; it connects when it first has to.
func newSession(config *pgx.ConnConfig, options Options, name string) *session {
	s := &session{config: config.Copy(), options: options}
	s.config.RuntimeParams["application_name"] = "workload-" + name
	// One round trip for each statement, and nothing to be prepared anew after each connection.
	s.config.DefaultQueryExecMode = pgx.QueryExecModeExec
	s.config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) {
		if notice.SeverityUnlocalized == "WARNING" {
			s.warning = notice
		}
	}
	return s
}

// reach the primary, trying again until the context ends. A connection may go astray that has nothing to do with what is tried: for two minutes a node
// leads one of the same source port to where an earlier one was led, as to a primary that was cut off, and that is a standby once it is back.
func reach(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	const within, retryEvery = 5 * time.Second, 200 * time.Millisecond
	config = config.Copy()
	config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	for {
		try, cancel := context.WithTimeout(ctx, within)
		conn, err := pgx.ConnectConfig(try, config)
		cancel()
		if err == nil {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(retryEvery): // the pace of trying
		}
	}
}

// write does one write and tells what became of it; the error says why it was not acknowledged. After an error, or a
// warning, the next write has a new connection.
func (s *session) write(ctx context.Context, work func(context.Context, *pgx.Conn) error) (Outcome, error) {
	if s.conn == nil {
		if err := s.connect(ctx); err != nil {
			return Refused, fmt.Errorf("connecting: %w", err)
		}
	}
	s.warning = nil
	within, cancel := context.WithTimeout(ctx, s.options.AnswerWithin)
	defer cancel()
	err := work(within, s.conn)
	outcome := conclude(err, s.warning)
	if outcome == Acknowledged {
		return outcome, nil
	}
	if err == nil {
		err = fmt.Errorf("%w: %s", errWarned, s.warning.Message)
	}
	s.close()
	return outcome, err
}

func (s *session) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.ConnectWithin)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, s.config)
	if err != nil {
		return err
	}
	s.conn = conn
	return nil
}

// close the connection without waiting for the server, which may be gone.
func (s *session) close() {
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_ = s.conn.Close(ctx)
	s.conn = nil
}
