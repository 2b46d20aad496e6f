package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/naming"
)

// Promote ends recovery; it does not wait for it. The caller has seen to the history files that decide about the timeline.
func (s *Server) Promote(ctx context.Context) error {
	if err := s.call(ctx, "SELECT pg_promote(false)"); err != nil {
		return fmt.Errorf("promoting: %w", err)
	}
	return nil
}

// Checkpoint completes a checkpoint, in a session of its own, since it may take long: after a promotion, so that the control file is on the
// new timeline; and so that the checkpointer has taken a setting that commits depend on.
func (s *Server) Checkpoint(ctx context.Context) error {
	conn, err := s.Connect(ctx, naming.Superuser, "postgres")
	if err == nil {
		_, err = conn.Exec(ctx, "CHECKPOINT")
		_ = conn.Close(context.WithoutCancel(ctx)) // of no use any more
	}
	if err != nil {
		return fmt.Errorf("writing a checkpoint: %w", err)
	}
	return nil
}

// ReplayedTimeline is that of the record which a standby has replayed last. Nothing else tells it: pg_control follows only with a
// restartpoint, and names of files come before their records.
func (s *Server) ReplayedTimeline(ctx context.Context) (timeline int64, err error) {
	err = func() error {
		conn, err := s.connect(ctx, naming.Superuser, "postgres", map[string]string{"replication": "database"})
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(ctx) }()
		results, err := conn.PgConn().Exec(ctx, "IDENTIFY_SYSTEM").ReadAll()
		if err != nil {
			return err
		}
		const column = 1
		if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) <= column {
			return errors.New("the answer has another shape than is known")
		}
		timeline, err = strconv.ParseInt(string(results[0].Rows[0][column]), 10, 64)
		return err
	}()
	if err != nil {
		return 0, fmt.Errorf("asking for the timeline that is replayed: %w", err)
	}
	return timeline, nil
}

// TerminateWalsender ends one; its standby connects again. One that is gone already is none any more.
func (s *Server) TerminateWalsender(ctx context.Context, walsender Walsender) error {
	err := s.call(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2", walsender.PID, walsender.StartedAt)
	if err != nil {
		return fmt.Errorf("ending a walsender: %w", err)
	}
	return nil
}

// ofClients are sessions of others than this program, which alone comes over the socket under its name, and than the members: who replicates into another
// system runs SQL as well.
const ofClients = `pid <> pg_backend_pid() AND (
	backend_type = 'client backend' AND NOT (application_name = $1 AND client_addr IS NULL) OR
	backend_type = 'walsender' AND usename <> $2)`

// TerminateClients ends every client's session; those of a standby would go on over a promotion, then able to write.
func (s *Server) TerminateClients(ctx context.Context) error {
	err := s.call(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE `+ofClients, applicationName, naming.ReplicationRole)
	if err != nil {
		return fmt.Errorf("ending clients' sessions: %w", err)
	}
	return nil
}

// ResumeReplay goes on with what somebody has paused.
func (s *Server) ResumeReplay(ctx context.Context) error {
	if err := s.call(ctx, "SELECT pg_wal_replay_resume()"); err != nil {
		return fmt.Errorf("resuming replay: %w", err)
	}
	return nil
}

// ClientSessions counts the sessions that TerminateClients would end.
func (s *Server) ClientSessions(ctx context.Context) (count int, err error) {
	err = s.use(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE `+ofClients, applicationName, naming.ReplicationRole).Scan(&count)
	})
	if err != nil {
		return 0, fmt.Errorf("counting clients' sessions: %w", err)
	}
	return count, nil
}

// Processes are the PIDs of all that PostgreSQL tells of: of a session that is still authenticating it does not.
func (s *Server) Processes(ctx context.Context) (pids map[int]bool, err error) {
	pids = map[int]bool{}
	err = s.use(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT pid FROM pg_stat_activity")
		if err != nil {
			return err
		}
		var pid int
		_, err = pgx.ForEachRow(rows, []any{&pid}, func() error { pids[pid] = true; return nil })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	return pids, nil
}
