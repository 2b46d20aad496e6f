//go:build integration

package facts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/timonier-io/timonier/internal/postgres"
	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

// patience with a condition that is to come true: the machine may be busy.
const patience = 30 * time.Second

// await waits for a condition, and tells how long it took.
func await(t *testing.T, what string, condition func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !condition() {
		if time.Since(began) > patience {
			t.Fatalf("not within %s: %s", patience, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(began)
}

// awaitStreaming waits until a member streams from this instance, and has flushed all that is written.
func (i *instance) awaitStreaming(t *testing.T, member *instance) {
	t.Helper()
	conn := i.session(t)
	defer i.closed(t, conn)
	await(t, member.name+" streams from "+i.name, func() bool {
		return pgtest.Value[bool](t, conn, `SELECT count(*) > 0 FROM pg_stat_replication
			WHERE application_name = $1 AND state = 'streaming' AND flush_lsn >= pg_current_wal_flush_lsn()`, member.name)
	})
}

// awaitReplayed waits until a standby has replayed what this instance has written.
func (i *instance) awaitReplayed(t *testing.T, member *instance) {
	t.Helper()
	to := i.flushed(t)
	await(t, fmt.Sprintf("%s has replayed %s of %s", member.name, to, i.name), func() bool { return member.replayed(t) >= to })
}

// replayed is how far a standby has replayed.
func (i *instance) replayed(t *testing.T) postgres.LSN {
	t.Helper()
	conn := i.session(t)
	defer i.closed(t, conn)
	return lsn(t, pgtest.Value[string](t, conn, "SELECT pg_last_wal_replay_lsn()::text"))
}

// flushed is how far a primary's WAL is on its disk.
func (i *instance) flushed(t *testing.T) postgres.LSN {
	t.Helper()
	conn := i.session(t)
	defer i.closed(t, conn)
	return lsn(t, pgtest.Value[string](t, conn, "SELECT pg_current_wal_flush_lsn()::text"))
}

// awaitExhausted waits until a detached standby has replayed all there is, and tells to where.
func (i *instance) awaitExhausted(t *testing.T) postgres.LSN {
	t.Helper()
	conn := i.session(t)
	defer i.closed(t, conn)
	await(t, i.name+" has replayed all there is", func() bool {
		return pgtest.Value[bool](t, conn, "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'startup' AND wait_event = 'RecoveryRetrieveRetryInterval'")
	})
	return i.replayed(t)
}

// awaitLog waits until the server has printed something since a mark, and returns the line.
func (i *instance) awaitLog(t *testing.T, since int, text string) (line string) {
	t.Helper()
	await(t, i.name+" prints "+text, func() bool {
		for printed := range strings.Lines(i.Log()[since:]) {
			if strings.Contains(printed, text) {
				line = printed
				return true
			}
		}
		return false
	})
	return line
}

// printed is the mark of what was printed until now.
func (i *instance) printed() int { return len(i.Log()) }

// promote ends recovery; it returns when the server takes writes, and tells how long that took.
func (i *instance) promote(t *testing.T) time.Duration {
	t.Helper()
	conn := i.session(t)
	defer i.closed(t, conn)
	pgtest.Exec(t, conn, "SELECT pg_promote(false)")
	return await(t, i.name+" is promoted", func() bool { return !pgtest.Value[bool](t, conn, "SELECT pg_is_in_recovery()") })
}

// identity is what IDENTIFY_SYSTEM says.
type identity struct {
	timeline int64
	position postgres.LSN
}

// identify asks over the local socket. A standby tells the timeline of the last record that it replayed, and how far it has
// replayed, or received on that timeline since it started.
func (i *instance) identify(t *testing.T) (id identity) {
	t.Helper()
	conn := i.replication(t)
	results, err := conn.Exec(t.Context(), "IDENTIFY_SYSTEM").ReadAll()
	if err != nil || len(results) != 1 || len(results[0].Rows) != 1 {
		t.Fatalf("IDENTIFY_SYSTEM: %v, %v", results, err)
	}
	row := results[0].Rows[0]
	if _, err := fmt.Sscan(string(row[1]), &id.timeline); err != nil {
		t.Fatal(err)
	}
	id.position = lsn(t, string(row[2]))
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return id
}

// replication opens a connection for replication commands, which is closed at the end of the test.
func (i *instance) replication(t *testing.T) *pgconn.PgConn {
	t.Helper()
	config, err := pgconn.ParseConfig("sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	config.Host, config.Port, config.User, config.Database = i.Socket, uint16(i.Port), "postgres", ""
	config.RuntimeParams["replication"] = "true"
	conn, err := pgconn.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// commit is an INSERT on its way, in a session of its own.
type commit struct {
	pid  uint32
	done chan error
}

// commit inserts a row into the table x.
func (i *instance) commit(t *testing.T) *commit {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	conn, err := i.Connect(ctx, "postgres", "postgres")
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	c := &commit{pid: conn.PgConn().PID(), done: make(chan error, 1)}
	var running sync.WaitGroup
	running.Go(func() {
		_, err := conn.Exec(ctx, "INSERT INTO x VALUES (1)")
		c.done <- errors.Join(err, conn.Close(ctx))
	})
	t.Cleanup(running.Wait)
	t.Cleanup(cancel)
	return c
}

// awaitWaiting waits until the commit waits for standbys.
func (c *commit) awaitWaiting(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	await(t, "the commit waits for standbys", func() bool {
		select {
		case err := <-c.done:
			t.Fatalf("the commit did not wait: %v", err)
		default:
		}
		return c.waits(t, conn)
	})
}

// waits tells whether the commit waits for standbys now.
func (c *commit) waits(t *testing.T, conn *pgx.Conn) bool {
	t.Helper()
	return pgtest.Value[bool](t, conn, "SELECT count(*) > 0 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep'", int64(c.pid))
}

// awaitAcknowledged waits until the commit is acknowledged.
func (c *commit) awaitAcknowledged(t *testing.T) {
	t.Helper()
	select {
	case err := <-c.done:
		if err != nil {
			t.Fatalf("the commit failed: %v", err)
		}
	case <-time.After(patience):
		t.Fatalf("the commit was not acknowledged within %s", patience)
	}
}

// awaitFailed waits until the commit has ended without being acknowledged.
func (c *commit) awaitFailed(t *testing.T) {
	t.Helper()
	select {
	case err := <-c.done:
		if err == nil {
			t.Error("the commit was acknowledged")
		}
	case <-time.After(patience):
		t.Fatalf("the commit has not ended within %s", patience)
	}
}

// children are the server's processes whose title has a text; a client's that is still authenticating is among them.
func (i *instance) children(t *testing.T, title string) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // gone meanwhile
		}
		var pid, parent int
		var state string
		after := stat[bytes.LastIndexByte(stat, ')')+1:]
		if _, err := fmt.Sscan(string(after), &state, &parent); err != nil || parent != i.PID() {
			continue
		}
		command, err := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if err != nil || !bytes.Contains(command, []byte(title)) {
			continue
		}
		if _, err := fmt.Sscan(filepath.Base(filepath.Dir(file)), &pid); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// awaitGone waits until a process that is not this one's child is gone.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	await(t, fmt.Sprintf("process %d is gone", pid), func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
}
