//go:build integration

package facts

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

func TestTwoConnectionsOfOneNameCountTwiceUnlessTheyNeedOneSlot(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		conn := a.session(t)
		pgtest.Exec(t, conn, "CREATE TABLE x (i int)")
		b := a.follower(t, "b")
		second := &instance{name: "b", changed: map[string]string{}, Server: pgtest.RunClone(t, b.Server)}
		second.configure(t, "primary_slot_name", naming.Slot("b"))
		second.attach(t, a)
		second.boot(t)
		t.Log(second.awaitLog(t, 0, `replication slot "timonier_b" is active for PID`))
		a.require(t, "ANY 2 (b, c)")
		waiting := a.commit(t)
		waiting.awaitWaiting(t, conn)

		// Without a slot both stream, and both count.
		second.reload(t, "primary_slot_name", "")
		waiting.awaitAcknowledged(t)
		if n := pgtest.Value[int](t, conn, "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'b' AND sync_state = 'quorum'"); n != 2 {
			t.Errorf("%d walsenders count", n)
		}
	})
}

// backUp starts a slow base backup over a member's service, as another name or as the member's own.
func backUp(t *testing.T, a *instance, name string) {
	t.Helper()
	member := &instance{name: name, Server: a.Server}
	member.attach(t, a)
	command := a.Command(t.Context(), "pg_basebackup", "--pgdata="+a.folder(t, "backup"), "--dbname=service=leader", "--checkpoint=fast", "--no-sync", "--max-rate=32")
	command.Env = append(command.Env, "PGSERVICEFILE="+a.ServiceFile())
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	conn := a.session(t)
	await(t, "the backup streams WAL", func() bool {
		return pgtest.Value[bool](t, conn, "SELECT count(*) > 0 FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming'", name)
	})
}

func TestABaseBackupThroughAMembersServiceCountsAsThatMember(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		for _, name := range []string{"b", "b_clone"} {
			a := newPrimary(t, programs, nil)
			conn := a.session(t)
			pgtest.Exec(t, conn, "CREATE TABLE x (i int)")
			a.require(t, "ANY 1 (b)")
			backUp(t, a, name)
			waiting := a.commit(t)
			waiting.awaitWaiting(t, conn)
			// It tells what it has flushed at the end of a segment.
			pgtest.Exec(t, conn, "SELECT pg_switch_wal()")
			if name == "b" {
				waiting.awaitAcknowledged(t)
				continue
			}
			await(t, "the backup has flushed the commit", func() bool {
				return pgtest.Value[bool](t, conn, "SELECT bool_or(flush_lsn >= pg_current_wal_flush_lsn()) FROM pg_stat_replication WHERE application_name = $1", name)
			})
			if !waiting.waits(t, conn) {
				t.Errorf("a backup as %s acknowledges commits", name)
			}
		}
	})
}

func TestAnApplicationNameIsCutAt63BytesWithoutAWord(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		conn := a.session(t)
		pgtest.Exec(t, conn, "SET application_name = '"+strings.Repeat("n", 64)+"'")
		if name := pgtest.Value[string](t, conn, "SHOW application_name"); name != strings.Repeat("n", 63) {
			t.Errorf("%q", name)
		}
	})
}

func slotActive(t *testing.T, conn *pgx.Conn, name string) bool {
	t.Helper()
	return pgtest.Value[bool](t, conn, "SELECT active FROM pg_replication_slots WHERE slot_name = $1", naming.Slot(name))
}

func TestASlotIsFreeSoonAfterItsWalreceiverIsGoneAndAfterTheTimeoutWhereItIsFrozen(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		// Far longer than what is called soon, also where the machine is busy.
		a := newPrimary(t, programs, map[string]string{"wal_sender_timeout": "5s"})
		conn := a.session(t)
		b := a.follower(t, "b")
		free := func(why string) time.Duration {
			t.Helper()
			took := await(t, why+": the slot is free", func() bool { return !slotActive(t, conn, "b") })
			t.Logf("%s: the slot is free after %s", why, took)
			return took
		}
		b.close(t)
		signal(t, walreceiver(t, b.session(t)), syscall.SIGTERM)
		free("a terminated walreceiver")
		b.attach(t, a)
		a.awaitStreaming(t, b)

		thaw := freeze(t, walreceiver(t, b.session(t)))
		b.close(t)
		if took := free("a frozen walreceiver"); took < 500*time.Millisecond {
			t.Errorf("the slot of a frozen walreceiver is free after %s, long before the timeout", took)
		}
		thaw()
		b.attach(t, a)
		a.awaitStreaming(t, b)

		pgtest.Exec(t, conn, fmt.Sprintf("SELECT pg_terminate_backend(%d)", walsender(t, conn)))
		b.close(t)
		if err := b.Kill(); err != nil {
			t.Fatal(err)
		}
		free("a killed postmaster")
	})
}

// stuck is a walsender of b that was terminated while its peer does not read and the socket is full.
func stuck(t *testing.T, a, b *instance, conn *pgx.Conn) (sender int, thaw func()) {
	t.Helper()
	thaw = freeze(t, walreceiver(t, b.session(t)))
	sender = walsender(t, conn)
	// More than any socket takes.
	pgtest.Exec(t, conn, "SELECT pg_logical_emit_message(false, '', repeat('x', 1000000)) FROM generate_series(1, 24)")
	var sent string
	still := 0
	await(t, "the walsender sends no more, although there is more", func() bool {
		now := pgtest.Value[string](t, conn, "SELECT coalesce(max(sent_lsn::text), '') FROM pg_stat_replication WHERE pid = $1 AND sent_lsn < pg_current_wal_flush_lsn()", sender)
		if still++; now == "" || now != sent {
			still = 0
		}
		sent = now
		return still == 50
	})
	mark := a.printed()
	pgtest.Exec(t, conn, fmt.Sprintf("SELECT pg_terminate_backend(%d)", sender))
	a.awaitLog(t, mark, "terminating connection due to administrator command")
	return sender, thaw
}

func TestAWalsenderThatIsTerminatedWhileItsPeerDoesNotReadOutlivesItsTimeout(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, map[string]string{"wal_sender_timeout": "5s"})
		conn := a.session(t)
		b, c := a.follower(t, "b"), a.follower(t, "c")
		sender, thaw := stuck(t, a, b, conn)
		await(t, "it says goodbye", func() bool {
			return pgtest.Value[bool](t, conn, "SELECT count(*) > 0 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'ClientWrite'", sender)
		})
		// Another one, left alone, is gone by its timeout.
		freeze(t, walreceiver(t, c.session(t)))
		await(t, "the walsender of c is gone", func() bool { return !slotActive(t, conn, "c") })
		if !slotActive(t, conn, "b") {
			t.Error("that of b is gone too")
		}
		thaw()
		await(t, "that of b is gone, once its peer reads", func() bool { return walsender(t, conn) != sender })
	})
}

func TestTCPUserTimeoutEndsAWalsenderThatIsTerminatedWhileItsPeerDoesNotRead(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, map[string]string{"wal_sender_timeout": "1min", "tcp_user_timeout": "5s"})
		b := a.clone(t, "b")
		if err := a.Stop(); err != nil {
			t.Fatal(err)
		}
		a.Port = pgtest.FreePort(t)
		a.Set("listen_addresses", "127.0.0.1")
		a.boot(t)
		conn := a.session(t)
		b.attachThrough(t, "127.0.0.1", a.Port)
		b.boot(t)
		a.awaitStreaming(t, b)
		// Where the kernel still takes the last words, it is gone at once.
		stuck(t, a, b, conn)
		took := await(t, "the walsender is gone", func() bool { return !slotActive(t, conn, "b") })
		t.Logf("gone after %s", took)
	})
}

func TestSlotsOfAStandbyAdvanceOnlyWhenTheyAreTold(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		b := a.follower(t, "b")
		b.createSlot(t, "c")
		standby := b.session(t)
		position := func() string {
			t.Helper()
			return pgtest.Value[string](t, standby, "SELECT restart_lsn::text FROM pg_replication_slots")
		}
		before := position()
		pgtest.Exec(t, a.session(t), "SELECT pg_switch_wal()", "CREATE TABLE x ()", "CHECKPOINT")
		a.awaitReplayed(t, b)
		pgtest.Exec(t, standby, "CHECKPOINT")
		if now := position(); now != before {
			t.Errorf("it advanced by itself from %s to %s", before, now)
		}
		to := b.replayed(t).String()
		pgtest.Exec(t, standby, "SELECT pg_replication_slot_advance('"+naming.Slot("c")+"', '"+to+"')")
		if now := position(); now != to {
			t.Errorf("it was advanced to %s, and is at %s", to, now)
		}
	})
}

func TestASlotsNameAllowsNoHyphen(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		conn := newPrimary(t, programs, nil).session(t)
		_, err := conn.Exec(t.Context(), "SELECT pg_create_physical_replication_slot('demo-1')")
		if err == nil || !strings.Contains(err.Error(), "invalid character") {
			t.Errorf("demo-1 as a slot's name: %v", err)
		}
		pgtest.Exec(t, conn, "SELECT pg_create_physical_replication_slot('demo_1')")
	})
}
