package server

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
)

// rewindFunctions are what pg_rewind calls on its source.
// https://www.postgresql.org/docs/17/app-pgrewind.html#id-1.9.5.9.8
var rewindFunctions = []string{
	"pg_ls_dir(text, boolean, boolean)",
	"pg_stat_file(text, boolean)",
	"pg_read_binary_file(text)",
	"pg_read_binary_file(text, bigint, bigint, boolean)",
}

// EnsureOwnRoles makes Timonier's own roles what they are to be, before anybody else may connect. It writes nothing
// where they are: a restart of the leader must not add to the WAL.
func (s *Server) EnsureOwnRoles(ctx context.Context) error {
	err := s.use(ctx, func(conn *pgx.Conn) error {
		for _, role := range []struct {
			name, attributes string
			grants           []string
			asWanted         string
		}{
			{naming.ReplicationRole, "LOGIN REPLICATION", rewindGrants(), "rolcanlogin AND rolreplication AND NOT rolsuper"},
			{naming.MonitorRole, "LOGIN", []string{"GRANT pg_monitor TO " + naming.MonitorRole}, "rolcanlogin AND NOT rolreplication AND NOT rolsuper"},
		} {
			var exists, asWanted bool
			err := conn.QueryRow(ctx, "SELECT count(*) > 0, coalesce(bool_and("+role.asWanted+"), false) FROM pg_roles WHERE rolname = $1", role.name).
				Scan(&exists, &asWanted)
			if err != nil {
				return err
			}
			if exists && asWanted {
				continue
			}
			verb := "CREATE"
			if exists {
				verb = "ALTER"
			}
			statements := append([]string{verb + " ROLE " + postgres.QuoteIdentifier(role.name) + " WITH NOSUPERUSER " + role.attributes}, role.grants...)
			if err := inTransaction(ctx, conn, statements); err != nil {
				return fmt.Errorf("role %s: %w", role.name, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("making Timonier's own roles: %w", err)
	}
	return nil
}

func rewindGrants() []string {
	var grants []string
	for _, function := range rewindFunctions {
		grants = append(grants, "GRANT EXECUTE ON FUNCTION pg_catalog."+function+" TO "+naming.ReplicationRole)
	}
	return grants
}

func inTransaction(ctx context.Context, conn *pgx.Conn, statements []string) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, statement := range statements {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}
