package server

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Promote ends recovery; it does not wait for it. The caller has seen to the history files that decide about the timeline.
func (s *Server) Promote(ctx context.Context) error {
	if err := s.call(ctx, "SELECT pg_promote(false)"); err != nil {
		return fmt.Errorf("promoting: %w", err)
	}
	return nil
}

// Checkpoint completes a checkpoint: after a promotion, so that the control file is on the new timeline.
func (s *Server) Checkpoint(ctx context.Context) error {
	if err := s.exec(ctx, "CHECKPOINT"); err != nil {
		return fmt.Errorf("writing a checkpoint: %w", err)
	}
	return nil
}

// TerminateClients ends every client's session; those of a standby would go on over a promotion, then able to write.
func (s *Server) TerminateClients(ctx context.Context) error {
	err := s.call(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name <> $1`, applicationName)
	if err != nil {
		return fmt.Errorf("ending clients' sessions: %w", err)
	}
	return nil
}

// ClientSessions counts the sessions that TerminateClients would end.
func (s *Server) ClientSessions(ctx context.Context) (count int, err error) {
	err = s.use(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name <> $1`, applicationName).Scan(&count)
	})
	if err != nil {
		return 0, fmt.Errorf("counting clients' sessions: %w", err)
	}
	return count, nil
}
