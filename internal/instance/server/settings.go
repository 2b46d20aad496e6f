package server

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/naming"
)

// LoadedAt is when the postmaster last read its configuration files, pg_hba.conf among them, as a new session has it from there. One that
// is kept may have read them later, for a signal of before: of what the postmaster starts it tells nothing.
func (s *Server) LoadedAt(ctx context.Context) (at time.Time, err error) {
	conn, err := s.Connect(ctx, naming.Superuser, "postgres")
	if err == nil {
		err = conn.QueryRow(ctx, "SELECT pg_conf_load_time()").Scan(&at)
		_ = conn.Close(context.WithoutCancel(ctx)) // of no use any more
	}
	if err != nil {
		return at, fmt.Errorf("asking when the configuration was loaded: %w", err)
	}
	return at, nil
}

// PendingRestart are the parameters whose configured value waits for a restart.
func (s *Server) PendingRestart(ctx context.Context) (names []string, err error) {
	err = s.use(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT name FROM pg_settings WHERE pending_restart ORDER BY name")
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("asking which parameters wait for a restart: %w", err)
	}
	return names, nil
}

// Refused tells what the server does not take of its configuration files as they are on disk now, in words; "" when all is well.
func (s *Server) Refused(ctx context.Context) (string, error) {
	var complaints []string
	err := s.use(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `
			SELECT format('pg_hba.conf, line %s: %s', line_number, error) FROM pg_hba_file_rules WHERE error IS NOT NULL
			UNION ALL
			SELECT format('pg_ident.conf, line %s: %s', line_number, error) FROM pg_ident_file_mappings WHERE error IS NOT NULL
			UNION ALL
			SELECT format('parameter %s = %L: %s', name, setting, error) FROM pg_file_settings
			WHERE error IS NOT NULL AND error <> 'setting could not be applied'`)
		if err != nil {
			return err
		}
		complaints, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return "", fmt.Errorf("asking whether the configuration was taken: %w", err)
	}
	return strings.Join(complaints, "; "), nil
}
