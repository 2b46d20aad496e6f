//go:build integration

package facts

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

func TestSessionsOfAStandbyGoOnOverAPromotionAndThenWriteUnlessTheyAreEnded(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		pgtest.Exec(t, a.session(t), "CREATE TABLE x (i int)")
		b := a.follower(t, "b")
		a.awaitReplayed(t, b)
		ended, kept := b.session(t), b.session(t)
		if _, err := kept.Exec(t.Context(), "INSERT INTO x VALUES (1)"); err == nil {
			t.Error("a standby takes writes")
		}
		b.detach(t)
		pgtest.Exec(t, b.session(t), "SELECT pg_terminate_backend("+pgtest.Value[string](t, ended, "SELECT pg_backend_pid()::text")+")")
		b.promote(t)
		pgtest.Exec(t, kept, "INSERT INTO x VALUES (1)")
		if _, err := ended.Exec(t.Context(), "INSERT INTO x VALUES (2)"); err == nil {
			t.Error("the session that was ended writes")
		}
	})
}

// dial opens a connection to a server, without a word.
func dial(t *testing.T, i *instance) *pgproto3.Frontend {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "unix", filepath.Join(i.Socket, fmt.Sprintf(".s.PGSQL.%d", i.Port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return pgproto3.NewFrontend(conn, conn)
}

func send(t *testing.T, client *pgproto3.Frontend, message pgproto3.FrontendMessage) {
	t.Helper()
	client.Send(message)
	if err := client.Flush(); err != nil {
		t.Fatal(err)
	}
}

// A client that has sent who it is and not yet its password.
func TestAClientThatStillAuthenticatesIsNotInPgStatActivityAndGetsInAfterPgHBAClosed(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		conn := a.session(t)
		pgtest.Exec(t, conn, "CREATE ROLE app LOGIN PASSWORD 'secret'")
		hba := func(last string) {
			t.Helper()
			if err := a.WriteFile("pg_hba.conf", "local all postgres trust\nlocal replication postgres trust\nlocal all app "+last+"\n"); err != nil {
				t.Fatal(err)
			}
			if err := a.Reload(); err != nil {
				t.Fatal(err)
			}
			code := map[string]string{"password": "28P01", "reject": "28000"}[last]
			await(t, "pg_hba.conf says "+last+" to a new connection", func() bool {
				_, err := a.Connect(t.Context(), "app", "postgres")
				var refusal interface{ SQLState() string }
				return errors.As(err, &refusal) && refusal.SQLState() == code
			})
		}
		hba("password")
		knocking := func() *pgproto3.Frontend {
			client := dial(t, a)
			send(t, client, &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: map[string]string{"user": "app", "database": "postgres"}})
			if message, err := client.Receive(); err != nil {
				t.Fatal(err)
			} else if _, asked := message.(*pgproto3.AuthenticationCleartextPassword); !asked {
				t.Fatalf("not asked for a password, but: %T", message)
			}
			return client
		}
		first := knocking()
		var hidden []int
		await(t, "only this client authenticates", func() bool {
			hidden = a.children(t, "authentication")
			return len(hidden) == 1
		})
		second := knocking()
		if n := pgtest.Value[int](t, conn, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'"); n != 0 {
			t.Error("pg_stat_activity shows them")
		}
		hba("reject")
		// The process list knows them, and a signal ends one.
		signal(t, hidden[0], syscall.SIGTERM)
		awaitGone(t, hidden[0])
		if message, err := first.Receive(); err == nil {
			t.Errorf("the client that was ended hears %v", message)
		}
		send(t, second, &pgproto3.PasswordMessage{Password: "secret"})
		if message, err := second.Receive(); err != nil {
			t.Error(err)
		} else if _, ok := message.(*pgproto3.AuthenticationOk); !ok {
			t.Errorf("the other is not let in: %v", message)
		}
	})
}

func TestAPromotionDoesNotWaitForTheRetryInterval(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, map[string]string{"wal_retrieve_retry_interval": "1h"})
		pgtest.Exec(t, a.session(t), "CREATE TABLE x (i int)")
		b := a.follower(t, "b")
		b.detach(t)
		b.awaitExhausted(t)
		took := b.promote(t)
		b.commit(t).awaitAcknowledged(t)
		t.Logf("promoted after %s", took)
	})
}

func TestAPromotionWaitsForItsRestoreCommand(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		b := a.clone(t, "b")
		held := holdFile(t, b)
		b.configure(t, "restore_command", "while test -e "+held+"; do sleep 0.05; done; false")
		if err := os.Remove(held); err != nil {
			t.Fatal(err)
		}
		b.boot(t)
		b.awaitExhausted(t)
		if err := os.WriteFile(held, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		conn := b.session(t)
		mark := b.printed()
		pgtest.Exec(t, conn, "SELECT pg_promote(false)")
		await(t, "the restore_command runs", func() bool {
			return pgtest.Value[bool](t, conn, "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'startup' AND wait_event = 'RestoreCommand'")
		})
		if !pgtest.Value[bool](t, conn, "SELECT pg_is_in_recovery()") {
			t.Error("it is promoted")
		}
		if err := os.Remove(held); err != nil {
			t.Fatal(err)
		}
		b.awaitLog(t, mark, "archive recovery complete")
	})
}

// holdFile is a file that a command of the server waits for, as long as it exists.
func holdFile(t *testing.T, i *instance) string {
	t.Helper()
	if err := i.WriteFile("hold", ""); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(i.Data, "hold")
}

func TestAFastStopWaitsForTheArchiverWhileStandbysHaveTheShutdownCheckpoint(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		conn := a.session(t)
		pgtest.Exec(t, conn, "CREATE TABLE x (i int)")
		b := a.follower(t, "b")
		held := holdFile(t, a)
		a.reload(t, "archive_command", "while test -e "+held+"; do sleep 0.05; done")
		pgtest.Exec(t, conn, "CHECKPOINT", "SELECT pg_switch_wal()")
		a.awaitStreaming(t, b)
		signal(t, a.PID(), syscall.SIGINT)
		await(t, "the shutdown checkpoint is written", func() bool { return a.control(t).CleanlyShutDown() })
		checkpoint := a.control(t).CheckpointLocation
		standby := b.session(t)
		await(t, "the standby has received it", func() bool { return received(t, standby) > checkpoint })
		if !a.Running() {
			t.Error("the server is down, although its archiver hangs")
		}

		// Killed now, it has nothing that the standby has not, and follows without being rewound.
		children := a.children(t, "")
		if err := errors.Join(a.Kill(), os.Remove(held)); err != nil {
			t.Fatal(err)
		}
		for _, pid := range children {
			awaitGone(t, pid)
		}
		b.detach(t)
		end := b.awaitExhausted(t)
		b.promote(t)
		if end <= checkpoint || !a.control(t).CleanlyShutDown() {
			t.Errorf("the standby ended at %s, and the shutdown checkpoint is at %s", end, checkpoint)
		}
		rejoin(t, a, b)
	})
}
