package pgtest

import (
	"context"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
)

// lastWords is how much of a server's log is shown when a test fails, in bytes.
const lastWords = 4000

// Each runs a test with every major version of PostgreSQL that Timonier serves.
func Each(t *testing.T, test func(t *testing.T, programs Programs)) {
	t.Helper()
	for _, major := range Majors {
		t.Run("PostgreSQL "+major, func(t *testing.T) {
			programs, err := Find(major)
			if err != nil {
				t.Fatal(err)
			}
			test(t, programs)
		})
	}
}

// Run starts a server that is removed at the end of the test.
func Run(t testing.TB, programs Programs, options Options) *Server {
	t.Helper()
	server, err := Start(context.WithoutCancel(t.Context()), programs, options)
	if err != nil {
		t.Fatal(err)
	}
	removeAfter(t, server)
	return server
}

// removeAfter removes a server at the end of the test; of a failed one it shows what the server printed last.
func removeAfter(t testing.TB, server *Server) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			log := server.Log()
			t.Logf("what PostgreSQL %s printed last:\n%s", server.Major, log[max(0, len(log)-lastWords):])
		}
		if err := server.Remove(); err != nil {
			t.Error(err)
		}
	})
}

// FreePort is a port on 127.0.0.1 that nobody listened on a moment ago.
func FreePort(t testing.TB) int {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address, ok := listener.Addr().(*net.TCPAddr)
	if err := listener.Close(); err != nil || !ok {
		t.Fatalf("a free port: %v, %v", address, err)
	}
	return address.Port
}

// Conn opens a connection that is closed at the end of the test.
func (s *Server) Conn(t testing.TB, user, database string) *pgx.Conn {
	t.Helper()
	conn, err := s.Connect(t.Context(), user, database)
	if err != nil {
		t.Fatalf("connecting to database %s as %s: %v", database, user, err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// Exec runs statements, each of which must succeed.
func Exec(t testing.TB, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// Value is the one value that a query returns.
func Value[T any](t testing.TB, conn *pgx.Conn, query string, arguments ...any) T {
	t.Helper()
	var value T
	if err := conn.QueryRow(t.Context(), query, arguments...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}
