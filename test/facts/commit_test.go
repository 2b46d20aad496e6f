//go:build integration

package facts

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

// quorum is a primary with the table x and the standbys b and c.
func quorum(t *testing.T, programs pgtest.Programs) (a, b, c *instance, conn *pgx.Conn) {
	t.Helper()
	a = newPrimary(t, programs, nil)
	conn = a.session(t)
	pgtest.Exec(t, conn, "CREATE TABLE x (i int)")
	return a, a.follower(t, "b"), a.follower(t, "c"), conn
}

func TestEmptyingSynchronousStandbyNamesAcknowledgesACommitThatWaits(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, map[string]string{"synchronous_standby_names": ""})
		conn := a.session(t)
		pgtest.Exec(t, conn, "CREATE TABLE x (i int)")
		a.require(t, "ANY 1 (b)")
		waiting := a.commit(t)
		waiting.awaitWaiting(t, conn)
		a.reload(t, "synchronous_standby_names", "")
		waiting.awaitAcknowledged(t)
		if rows := pgtest.Value[int](t, conn, "SELECT count(*) FROM x"); rows != 1 {
			t.Errorf("%d rows", rows)
		}
	})
}

func TestASettingIsShownWhileTheCheckpointerHasNotTakenItAndCommitsGoThrough(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		conn := a.session(t)
		pgtest.Exec(t, conn, "CREATE TABLE x (i int)")
		thaw := freeze(t, process(t, conn, "checkpointer"))
		a.reload(t, "synchronous_standby_names", "ANY 1 (b)")
		a.commit(t).awaitAcknowledged(t) // and there is no b
		thaw()
		pgtest.Exec(t, conn, "CHECKPOINT")
		a.commit(t).awaitWaiting(t, conn)
	})
}

// told sends a changed setting to some processes only: a reload reaches each at its own time, and this is the state in between.
func told(t *testing.T, i *instance, value string, pids ...int) {
	t.Helper()
	i.configure(t, "synchronous_standby_names", value)
	for _, pid := range pids {
		signal(t, pid, syscall.SIGHUP)
	}
}

// walsender of b, 0 for none.
func walsender(t *testing.T, conn *pgx.Conn) int {
	t.Helper()
	return pgtest.Value[int](t, conn, "SELECT coalesce(max(pid), 0) FROM pg_stat_replication WHERE application_name = 'b'")
}

func TestAWalsenderReleasesByItsOwnCopyOfTheSetting(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a, b, c, conn := quorum(t, programs)
		a.require(t, "ANY 1 (b, c)")
		freeze(t, process(t, c.session(t), "walreceiver"))
		told(t, a, "ANY 2 (b, c)", int(conn.PgConn().PID()), process(t, conn, "checkpointer"))
		await(t, "the session has taken it", func() bool {
			return pgtest.Value[string](t, conn, "SHOW synchronous_standby_names") == "ANY 2 (b, c)"
		})
		pgtest.Exec(t, conn, "CHECKPOINT")
		pgtest.Exec(t, conn, "INSERT INTO x VALUES (1)") // acknowledged by b alone

		a.require(t, "ANY 2 (b, c)")
		older := walsender(t, conn)
		pgtest.Exec(t, conn, fmt.Sprintf("SELECT pg_terminate_backend(%d)", older))
		await(t, "b has a walsender that is younger than the setting", func() bool {
			return pgtest.Value[bool](t, conn, `SELECT count(*) > 0 FROM pg_stat_replication
				WHERE application_name = 'b' AND state = 'streaming' AND backend_start > pg_conf_load_time()`)
		})
		waiting := a.commit(t)
		waiting.awaitWaiting(t, conn)
		a.awaitStreaming(t, b)
		if !waiting.waits(t, conn) {
			t.Error("b alone releases a commit that needs two")
		}
	})
}

func TestANewSessionTellsWhenThePostmasterReadItsFilesAndAnOlderOneDoesNot(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a, _, _, conn := quorum(t, programs)
		const loaded = "SELECT pg_conf_load_time()"
		before := pgtest.Value[time.Time](t, a.session(t), loaded)
		told(t, a, "ANY 2 (b, c)", int(conn.PgConn().PID()))
		await(t, "the older session has taken it", func() bool {
			return pgtest.Value[string](t, conn, "SHOW synchronous_standby_names") == "ANY 2 (b, c)"
		})
		if at := pgtest.Value[time.Time](t, conn, loaded); !at.After(before) {
			t.Errorf("the older session has loaded at %s, before %s", at, before)
		}
		if at := pgtest.Value[time.Time](t, a.session(t), loaded); !at.Equal(before) {
			t.Errorf("a new session says %s, although the postmaster has loaded at %s", at, before)
		}
	})
}

func TestSyncPriorityTellsThatAWalsenderKnowsItsMembershipButNotHowManyAreNeeded(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a, _, _, conn := quorum(t, programs)
		state := func() string {
			t.Helper()
			return pgtest.Value[string](t, conn, `SELECT string_agg(application_name || ' ' || sync_priority || ' ' || sync_state, ', ' ORDER BY application_name) FROM pg_stat_replication`)
		}
		a.require(t, "ANY 1 (b, c)")
		await(t, "both walsenders know that they count", func() bool { return state() == "b 1 quorum, c 1 quorum" })

		thaw := freeze(t, walsender(t, conn))
		a.require(t, "ANY 1 (c)")
		await(t, "this session shows it", func() bool { return pgtest.Value[string](t, conn, "SHOW synchronous_standby_names") == "ANY 1 (c)" })
		if got := state(); got != "b 1 quorum, c 1 quorum" {
			t.Errorf("although the walsender of b cannot know it: %s", got)
		}
		thaw()
		await(t, "the walsender of b knows that it does not count", func() bool { return state() == "b 0 async, c 1 quorum" })

		a.require(t, "ANY 1 (b, c)")
		await(t, "both count again", func() bool { return state() == "b 1 quorum, c 1 quorum" })
		freeze(t, walsender(t, conn))
		// sync_state is by the setting of the session that asks: the frozen walsender is said to be "sync".
		a.require(t, "FIRST 2 (b, c)")
		await(t, "the walsender of c has taken it", func() bool { return state() == "b 1 sync, c 2 sync" })
	})
}

func TestAReloadReachesSessionsWalsendersAndCheckpointerSoon(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a, b, c, conn := quorum(t, programs)
		for _, standby := range []*instance{b, c} {
			freeze(t, process(t, standby.session(t), "walreceiver"))
		}
		a.configure(t, "synchronous_standby_names", "ANY 1 (b, c)")
		if err := a.Reload(); err != nil {
			t.Fatal(err)
		}
		session := await(t, "this session shows it", func() bool { return pgtest.Value[string](t, conn, "SHOW synchronous_standby_names") != "" })
		sender := await(t, "the walsenders have taken it", func() bool {
			return pgtest.Value[bool](t, conn, "SELECT bool_and(sync_priority = 1) FROM pg_stat_replication")
		})
		checkpointer := await(t, "commits wait", func() bool {
			tried := a.commit(t)
			await(t, "the commit waits or is done", func() bool { return len(tried.done) > 0 || tried.waits(t, conn) })
			return len(tried.done) == 0
		})
		t.Logf("after %s a session, %s later the walsenders, %s later the checkpointer", session, sender, checkpointer)
	})
}

func TestAfterABackendsCrashPostgreSQLShowsACommitThatNoStandbyHasUnlessItStaysDown(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		for _, restart := range []string{"on", "off"} {
			a := newPrimary(t, programs, map[string]string{"restart_after_crash": restart})
			conn := a.session(t)
			pgtest.Exec(t, conn, "CREATE TABLE x (i int)")
			a.require(t, "ANY 1 (b)")
			waiting := a.commit(t)
			waiting.awaitWaiting(t, conn)
			if rows := pgtest.Value[int](t, conn, "SELECT count(*) FROM x"); rows != 0 {
				t.Fatalf("a commit that waits is visible")
			}
			signal(t, int(conn.PgConn().PID()), syscall.SIGKILL)
			if restart == "off" {
				await(t, "PostgreSQL is down", func() bool { return !a.Running() })
				continue
			}
			await(t, "PostgreSQL is back and shows the row", func() bool {
				conn, err := a.Connect(t.Context(), "postgres", "postgres")
				if err != nil {
					return false // still recovering
				}
				defer func() { _ = conn.Close(t.Context()) }()
				var rows int
				return conn.QueryRow(t.Context(), "SELECT count(*) FROM x").Scan(&rows) == nil && rows == 1 // or it came before the crash
			})
			waiting.awaitFailed(t)
		}
	})
}
