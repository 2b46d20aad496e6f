//go:build integration

package postgres_test

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

func TestPostgreSQLReadsTheHBAFile(t *testing.T) {
	lines := []string{
		"hostssl app, report  app,\"Odd Role\" ::/0\treject # the office", "hostssl sameuser +readers samenet scram-sha-256",
		"hostssl all all 192.168.1.1 255.255.255.0 scram-sha-256", "hostssl all all fd00::1 ffff:: reject",
		"hostssl all all .example.com scram-sha-256", "hostssl \"replication\" all all scram-sha-256", "# only a comment",
		"hostssl \"a \"\"quoted\"\" name\" all all scram-sha-256",
	}
	if problems := postgres.CheckHBA(lines); problems != nil {
		t.Fatal(problems)
	}
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		server := instance(t, programs, postgres.SettingsInput{}, postgres.HBAInput{Open: true, Lines: lines})
		conn := server.Conn(t, naming.Superuser, "postgres")
		if n := pgtest.Value[int](t, conn, "SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL"); n != 0 {
			t.Errorf("%d lines of pg_hba.conf are wrong", n)
		}
		if n := pgtest.Value[int](t, conn, "SELECT count(*) FROM pg_hba_file_rules"); n != 8+len(lines)-1 {
			t.Errorf("%d rules", n)
		}
		if n := pgtest.Value[int](t, conn, "SELECT count(*) FROM pg_ident_file_mappings WHERE error IS NULL"); n != 2 {
			t.Errorf("%d lines in pg_ident.conf", n)
		}
		pgtest.Exec(t, conn, "CREATE ROLE app LOGIN", "CREATE ROLE timonier_monitor LOGIN", "CREATE ROLE timonier_replication LOGIN REPLICATION")
		if monitor, err := server.Connect(t.Context(), naming.MonitorRole, "postgres"); err != nil {
			t.Errorf("the instance's own UID is not the monitor: %v", err)
		} else {
			_ = monitor.Close(t.Context())
		}
		for _, role := range []string{"app", naming.ReplicationRole} {
			if _, err := server.Connect(t.Context(), role, "postgres"); err == nil {
				t.Errorf("%s got in over the local socket", role)
			}
		}
	})
}

// knock tries to get in over TCP, as a user, to a database ("replication" for physical replication).
func knock(ctx context.Context, server *pgtest.Server, role, database string, tlsConfig *tls.Config) error {
	config, err := pgconn.ParseConfig("sslmode=disable host=127.0.0.1 password=secret")
	if err != nil {
		return err
	}
	config.Port, config.User, config.Database, config.TLSConfig = uint16(server.Port), role, database, tlsConfig
	config.ConnectTimeout = 20 * time.Second
	if database == "replication" {
		config.RuntimeParams["replication"] = "true"
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// Every way in over the network, open and closed.
func TestWhoGetsInOverTheNetwork(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		peers, strangers := newAuthority(t), newAuthority(t)
		rules := []string{"hostssl all barred all reject"}
		server := instanceWith(t, programs, postgres.SettingsInput{}, postgres.HBAInput{Open: true, Lines: rules}, peers, map[string]string{"listen_addresses": "127.0.0.1"})
		pgtest.Exec(t, server.Conn(t, naming.Superuser, "postgres"), "ALTER ROLE postgres PASSWORD 'secret'", "CREATE ROLE app LOGIN REPLICATION PASSWORD 'secret'", "CREATE ROLE barred LOGIN PASSWORD 'secret'",
			"CREATE ROLE wrong LOGIN PASSWORD 'other'", "CREATE ROLE timonier_monitor LOGIN PASSWORD 'secret'", "CREATE ROLE timonier_replication LOGIN REPLICATION PASSWORD 'secret'", "CREATE DATABASE app")
		none, replication, superuser := peers.client(t, ""), peers.client(t, naming.ReplicationRole), peers.client(t, naming.Superuser)
		forged := strangers.client(t, naming.ReplicationRole)
		forged.RootCAs = peers.client(t, "").RootCAs
		for _, test := range []struct {
			name, role, database string
			tls                  *tls.Config
			open                 bool
		}{
			{"an application over TLS", "app", "app", none, true},
			{"an application without TLS", "app", "app", nil, false},
			{"a wrong password", "wrong", "app", none, false},
			{"a user whom spec.hba rejects", "barred", "app", none, false},
			{"the superuser with a password", naming.Superuser, "postgres", none, false},
			{"the superuser with a certificate", naming.Superuser, "postgres", superuser, false},
			{"the superuser by the replication certificate", naming.Superuser, "postgres", replication, false},
			{"the monitor", naming.MonitorRole, "postgres", none, false},
			{"replication by certificate", naming.ReplicationRole, "replication", replication, true},
			{"rewinding by certificate", naming.ReplicationRole, "postgres", replication, true},
			{"the replication role in another database", naming.ReplicationRole, "app", replication, false},
			{"replication with a password", naming.ReplicationRole, "replication", none, false},
			{"replication without TLS", naming.ReplicationRole, "replication", nil, false},
			{"replication by a strange certificate", naming.ReplicationRole, "replication", forged, false},
			{"replication by a certificate of another name", naming.ReplicationRole, "replication", superuser, false},
			{"replication by a user", "app", "replication", none, false},
		} {
			if err := knock(t.Context(), server, test.role, test.database, test.tls); (err == nil) != test.open {
				t.Errorf("open, %s: %v", test.name, err)
			}
		}
		if err := server.WriteFile("pg_hba.conf", postgres.RenderHBA(postgres.HBAInput{Lines: rules, OSUser: osUser(t)})); err != nil {
			t.Fatal(err)
		}
		if err := server.Reload(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); knock(t.Context(), server, "app", "app", none) == nil; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("it does not close")
			}
		}
		err := knock(t.Context(), server, "app", "app", none)
		if err == nil || !strings.Contains(err.Error(), "28000") {
			t.Errorf("closed: %v", err)
		}
		for role, want := range map[string]bool{naming.ReplicationRole: true, naming.Superuser: false, "wrong": false} {
			if err := knock(t.Context(), server, role, "postgres", replication); (err == nil) != want {
				t.Errorf("closed, %s: %v", role, err)
			}
		}
		if err := knock(t.Context(), server, naming.ReplicationRole, "replication", replication); err != nil {
			t.Errorf("closed, replication: %v", err)
		}
	})
}
