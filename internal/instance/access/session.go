package access

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// sessionSettings are made before anything else runs in a session, by name; one that this version does
// not have is skipped. They keep three promises:
//   - a verifier appears in no log and no statistics, whatever the user's parameters log;
//   - nothing in a user's schema is called as superuser: an empty search_path finds pg_catalog only;
//   - timeouts and defaults that the user sets for applications do not hit Timonier.
var sessionSettings = [][2]string{
	{"search_path", ""},

	{"log_statement", "none"},
	{"log_duration", "off"},
	{"log_min_duration_statement", "-1"},
	{"log_min_duration_sample", "-1"},
	{"log_transaction_sample_rate", "0"},
	{"log_min_error_statement", "panic"},
	{"log_parameter_max_length", "0"},
	{"debug_print_parse", "off"},
	{"debug_print_rewritten", "off"},
	{"debug_print_plan", "off"},
	{"track_activities", "off"},
	{"pg_stat_statements.track", "none"},
	{"auto_explain.log_min_duration", "-1"},

	{"statement_timeout", "0"},
	{"transaction_timeout", "0"},
	{"idle_in_transaction_session_timeout", "0"},
	{"idle_session_timeout", "0"},
	// An object that is locked is reported and tried again later; the others do not wait for it.
	{"lock_timeout", "10s"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_isolation", "read committed"},
	{"default_tablespace", ""},
	{"session_replication_role", "origin"},
	{"row_security", "on"},
	{"exit_on_error", "off"},
	{"createrole_self_grant", ""},
}

// openSession connects and makes the settings. Extensions' settings are in pg_settings where they are loaded.
func openSession(ctx context.Context, connect Connect, database string) (*pgx.Conn, error) {
	conn, err := connect(ctx, database)
	if err != nil {
		return nil, fmt.Errorf("connecting to database %s to apply roles and databases: %w", database, err)
	}
	names, values := make([]string, len(sessionSettings)), make([]string, len(sessionSettings))
	for i, s := range sessionSettings {
		names[i], values[i] = s[0], s[1]
	}
	// Operators are named by their schema: until it has run, a user's search_path is in force.
	const query = `
		SELECT pg_catalog.count(pg_catalog.set_config(wanted.name, wanted.value, false))
		FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) AS wanted (name, value)
		JOIN pg_catalog.pg_settings s ON s.name OPERATOR(pg_catalog.=) wanted.name`
	var count int
	if err := conn.QueryRow(ctx, query, names, values).Scan(&count); err != nil {
		closeSession(ctx, conn)
		return nil, fmt.Errorf("preparing a session in database %s: %w", database, err)
	}
	return conn, nil
}

// closeSession says good-bye, even when ctx has ended, so that a DROP DATABASE that follows does not find the session.
func closeSession(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = conn.Close(ctx) // Nothing can be done about a connection that does not close.
}

// lockKey is a number of Timonier's own among advisory locks: "timonier" in ASCII.
const lockKey = 0x74696d6f6e696572

// lock lets one Apply at a time work; the session's end releases it.
func lock(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(lockKey)); err != nil {
		return fmt.Errorf("waiting for another change of roles and databases to end: %w", err)
	}
	return nil
}
