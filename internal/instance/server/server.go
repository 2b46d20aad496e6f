// Package server speaks SQL to the PostgreSQL server of this instance, over its
// local socket and as superuser: what it is doing (observe.go), replication slots
// (slots.go), recovery and promotion (recovery.go), configuration in force
// (settings.go) and Timonier's own roles (roles.go). It starts and stops nothing.
package server

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/naming"
)

// applicationName of the manager's own sessions.
const applicationName = "timonier"

// Server is reached over its socket. One connection is kept, so that none has to be free. Safe for concurrent use.
type Server struct {
	// SocketDirectory and Port make the path of the socket.
	SocketDirectory string
	Port            int

	mu   sync.Mutex
	kept *pgx.Conn
}

// Connect opens a connection of its own, as this role.
func (s *Server) Connect(ctx context.Context, role, database string) (*pgx.Conn, error) {
	return s.connect(ctx, role, database, nil)
}

func (s *Server) connect(ctx context.Context, role, database string, more map[string]string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return nil, fmt.Errorf("configuration of a connection: %w", err)
	}
	config.Host, config.Port = s.SocketDirectory, uint16(s.Port)
	config.User, config.Password, config.Database = role, "", database
	config.RuntimeParams = map[string]string{
		"application_name": applicationName,
		// Whatever the user's defaults are: what the manager asks is answered, or given up, in time.
		"statement_timeout": "0", "lock_timeout": "0", "client_min_messages": "warning",
		// The manager waits for no standby; it would hang with those that it is to repair. Nothing it writes is a promise to
		// anybody: slots are local, and a leader makes roles and databases from the spec again.
		"synchronous_commit":            "local",
		"search_path":                   "pg_catalog",
		"default_transaction_read_only": "off", "default_transaction_isolation": "read committed",
		// The session that is kept may be idle for as long as there is nothing to ask.
		"idle_session_timeout": "0", "idle_in_transaction_session_timeout": "0",
	}
	maps.Copy(config.RuntimeParams, more)
	// The manager asks the same few questions over and over, but plans of them are not worth memory in server and client.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.StatementCacheCapacity, config.DescriptionCacheCapacity = 0, 0
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connecting to postgres over its socket in %s, port %s: %w", s.SocketDirectory, strconv.Itoa(s.Port), err)
	}
	// From 17 on; 15 would refuse the connection over a parameter that it does not know. A checkpoint may take long.
	const unbounded = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'"
	if _, err := conn.Exec(ctx, unbounded, pgx.QueryExecModeSimpleProtocol); err != nil { // the one protocol that walsenders speak too
		_ = conn.Close(ctx) // of no use
		return nil, fmt.Errorf("preparing a session of postgres: %w", err)
	}
	return conn, nil
}

// use runs do on the kept connection, which is opened where there is none, and given up after an error that broke it.
func (s *Server) use(ctx context.Context, do func(*pgx.Conn) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil || s.kept.IsClosed() {
		conn, err := s.Connect(ctx, naming.Superuser, "postgres")
		if err != nil {
			return err
		}
		s.kept = conn
	}
	return do(s.kept)
}

// Close gives the kept connection up; the server ended, or is to end.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // no farewell: nobody may be there to hear it
		_ = s.kept.Close(ctx)
		s.kept = nil
	}
}
