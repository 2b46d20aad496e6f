//go:build integration

package facts

import (
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

// blockedReplay is a primary whose only standby has stopped replaying, in one of two ways, and goes on receiving. A commit needs the standby.
func blockedReplay(t *testing.T, programs pgtest.Programs, how string) (a, b *instance) {
	t.Helper()
	a = newPrimary(t, programs, map[string]string{"max_standby_streaming_delay": "-1"})
	conn := a.session(t)
	pgtest.Exec(t, conn, "CREATE TABLE x (i int)", "CREATE TABLE y ()")
	b = a.clone(t, "b")
	if how == "delay" {
		b.configure(t, "recovery_min_apply_delay", "1h")
	}
	b.attach(t, a)
	b.boot(t)
	a.awaitStreaming(t, b)
	if how == "conflict" {
		a.awaitReplayed(t, b)
		pgtest.Exec(t, b.session(t), "BEGIN", "SELECT FROM y")
	}
	pgtest.Exec(t, conn, "DROP TABLE y")
	event := map[string]string{"conflict": "relation", "delay": "RecoveryApplyDelay"}[how]
	standby := b.session(t)
	await(t, "replay is blocked", func() bool {
		return pgtest.Value[bool](t, standby, "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'startup' AND wait_event = $1", event)
	})
	a.require(t, "ANY 1 (b)")
	return a, b
}

func TestAnEmptiedPrimaryConninfoDoesNotStopAWalreceiverWhileReplayIsBlocked(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		for _, how := range []string{"conflict", "delay"} {
			a, b := blockedReplay(t, programs, how)
			standby := b.session(t)
			receiver := walreceiver(t, standby)
			b.reload(t, "primary_conninfo", "")
			a.commit(t).awaitAcknowledged(t)
			if terminated := pgtest.Value[bool](t, standby, "SELECT pg_terminate_backend($1)", receiver); terminated {
				t.Errorf("%s: pg_terminate_backend takes a walreceiver", how)
			}
			if now := walreceiver(t, standby); now != receiver {
				t.Errorf("%s: the walreceiver was %d and is %d", how, receiver, now)
			}
		}
	})
}

func TestWithoutItsServiceFileATerminatedWalreceiverStaysAwayWhileReplayIsBlocked(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		for _, how := range []string{"conflict", "delay"} {
			a, b := blockedReplay(t, programs, how)
			standby, leader := b.session(t), a.session(t)
			b.close(t)
			signal(t, walreceiver(t, standby), syscall.SIGTERM)
			took := await(t, "the walreceiver is gone", func() bool { return walreceiver(t, standby) == 0 })
			t.Logf("%s: gone after %s", how, took)
			waiting := a.commit(t)
			waiting.awaitWaiting(t, leader)
			if how == "delay" {
				continue
			}
			// Replay goes on and asks for more, in vain until the file is there. Nothing else is needed to follow again.
			endConflict(t, standby)
			b.awaitExhausted(t)
			if !waiting.waits(t, leader) {
				t.Error("the commit waits no more, although the standby is detached")
			}
			b.attach(t, a)
			waiting.awaitAcknowledged(t)
		}
	})
}

// endConflict ends the sessions that keep replay from going on: all of them, since pg_blocking_pids tells nothing of the startup process.
func endConflict(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	pgtest.Exec(t, conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
}

func TestFollowingAndLeavingNeedTheServiceFileAlone(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		leader := a.session(t)
		pgtest.Exec(t, leader, "CREATE TABLE x (i int)")
		b := a.follower(t, "b")
		a.require(t, "ANY 1 (b)")
		a.commit(t).awaitAcknowledged(t)
		b.detach(t)
		tried := b.printed()
		waiting := a.commit(t)
		waiting.awaitWaiting(t, leader)
		b.awaitLog(t, tried, "service.conf\" not found")
		if !waiting.waits(t, leader) {
			t.Error("the commit waits no more, although the standby is detached")
		}
		b.attach(t, a)
		waiting.awaitAcknowledged(t)
	})
}
