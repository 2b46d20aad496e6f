//go:build integration

package facts

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

func TestAfterACrashInAChangeOfTimelineRecoveryEndsBeforeWhatTheOlderFileHolds(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		// A page that the background writer wrote would be a reason of its own not to become consistent.
		a := newPrimary(t, programs, map[string]string{"bgwriter_lru_maxpages": "0"})
		b, c := a.follower(t, "b"), a.follower(t, "c")
		pgtest.Exec(t, a.session(t), "CHECKPOINT", "SELECT pg_switch_wal()",
			"SELECT pg_logical_emit_message(false, '', repeat('x', 10000)) FROM generate_series(1, 50)", "CREATE TABLE x ()")
		a.awaitStreaming(t, b)
		a.awaitStreaming(t, c)
		c.detach(t)
		b.detach(t)
		flushed := c.awaitExhausted(t)
		fetched(t, b, c)
		b.createSlot(t, "c")

		c.attachThrough(t, relay(t, c, b, 200_000), b.Port)
		conn := c.session(t)
		await(t, "a part of the segment has come on the new timeline", func() bool {
			return pgtest.Value[bool](t, conn, "SELECT count(*) > 0 FROM pg_stat_wal_receiver WHERE received_tli = 2 AND written_lsn > receive_start_lsn")
		})
		c.close(t)
		c.crash(t)
		// The end lies on timeline 1, and the file that it came from belongs to timeline 2: that is fatal as soon as a leader is to be asked.
		const fatal = "but previous recovered WAL file came from timeline 2"
		mark := c.printed()
		if err := c.Boot(context.WithoutCancel(t.Context())); err != nil && !strings.Contains(err.Error(), fatal) {
			t.Error(err)
		}
		c.awaitLog(t, mark, fatal)
		await(t, "it is down", func() bool { return !c.Running() })

		// With nobody to ask it comes up, on less than was flushed before.
		c.configure(t, "primary_conninfo", "")
		c.boot(t)
		if end := c.awaitExhausted(t); end >= flushed {
			t.Errorf("recovery ended at %s, and %s was flushed before", end, flushed)
		}
		if id := c.identify(t); id.timeline != 1 || id.position >= flushed {
			t.Errorf("IDENTIFY_SYSTEM says %v, and %s was flushed before", id, flushed)
		}
		c.crash(t)

		// The older file holds it all the same: without the newer history, it is what is read.
		c.configure(t, "primary_conninfo", "service=leader")
		if err := os.Remove(c.historyFile(2)); err != nil {
			t.Fatal(err)
		}
		c.boot(t)
		if end := c.awaitExhausted(t); end != flushed {
			t.Errorf("without the newer history recovery ended at %s, not at %s", end, flushed)
		}
	})
}

// stopBetween promotes a standby, and stops it when standby.signal is gone and the new timeline is not on record: the
// parent's history, which timeline 1 has not, is a pipe that nobody writes to, and PostgreSQL copies it into the new one.
func stopBetween(t *testing.T, i *instance) {
	t.Helper()
	pipe := i.historyFile(1)
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := i.Chown(pipe); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, i.session(t), "SELECT pg_promote(false)")
	await(t, "standby.signal is gone", func() bool {
		_, err := os.Stat(i.Data + "/standby.signal")
		return os.IsNotExist(err)
	})
	if i.history(t, 2) != "" {
		t.Fatal("the new timeline has its history already")
	}
	i.crash(t)
	if err := os.Remove(pipe); err != nil {
		t.Fatal(err)
	}
}

func TestACrashInAPromotionLeavesAServerThatWritesTheOldTimeline(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		b := a.follower(t, "b")
		b.detach(t)
		b.awaitExhausted(t)
		stopBetween(t, b)
		b.boot(t)
		conn := b.session(t)
		pgtest.Exec(t, conn, "CREATE TABLE written_on_the_old_timeline ()")
		if id := b.identify(t); id.timeline != 1 || pgtest.Value[bool](t, conn, "SELECT pg_is_in_recovery()") {
			t.Errorf("it writes timeline %d", id.timeline)
		}
	})
}

func TestStandbySignalMakesAnInterruptedPromotionGoOn(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		b := a.follower(t, "b")
		b.detach(t)
		end := b.awaitExhausted(t)
		stopBetween(t, b)
		asStandby(t, b)
		if again := b.awaitExhausted(t); again != end {
			t.Errorf("recovery ended at %s, and at %s before", again, end)
		}
		b.promote(t)
		if parent, at := b.fork(t, 2); parent != 1 || at != end {
			t.Errorf("timeline 2 left timeline %d at %s, not at %s", parent, at, end)
		}
		if id := b.identify(t); id.timeline != 2 {
			t.Errorf("it writes timeline %d", id.timeline)
		}
	})
}

// deceived is a standby c that ends before the fork of timeline 2, whose history it fetched from a leader that is gone; and a, the
// leader before, whose WAL ends exactly at that fork, so beyond the end of c.
func deceived(t *testing.T, programs pgtest.Programs) (a, c *instance) {
	t.Helper()
	a = newPrimary(t, programs, nil)
	conn := a.session(t)
	createRewinder(t, conn)
	pgtest.Exec(t, conn, "CREATE TABLE x (i int)")
	b, c := a.follower(t, "b"), a.follower(t, "c")
	c.detach(t)
	pgtest.Exec(t, conn, "INSERT INTO x VALUES (2)")
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	b.detach(t)
	b.awaitExhausted(t)
	fetched(t, b, c)
	b.crash(t)
	return a, c
}

func TestWithAHistoryOfADeadLeaderRewindSeesNothingToDoAndTheFlushOfADivergedServerCounts(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a, c := deceived(t, programs)
		end := c.awaitExhausted(t)
		c.promote(t)
		parent, at := c.fork(t, 3)
		if _, before := c.fork(t, 2); parent != 2 || at != end || before <= at {
			t.Errorf("timeline 3 left timeline %d at %s, and that began at %s", parent, at, before)
		}
		conn := c.session(t)
		pgtest.Exec(t, conn, "CHECKPOINT")
		output, err := rewind(t, a, c)
		if err != nil || !strings.Contains(output, "no rewind required") {
			t.Errorf("pg_rewind: %v, %s", err, output)
		}

		// It follows all the same, and says that it has flushed up to where it ended, which is beyond a commit that it never saw.
		c.require(t, "ANY 1 (a)")
		waiting := c.commit(t)
		waiting.awaitWaiting(t, conn)
		pgtest.Exec(t, conn, "SELECT pg_switch_wal()", "SELECT pg_logical_emit_message(false, '', repeat('x', 1000))")
		c.createSlot(t, "a")
		a.configure(t, "primary_slot_name", naming.Slot("a"))
		asStandby(t, a)
		stuck := a.awaitExhausted(t)
		mark := a.printed()
		a.attach(t, c)
		waiting.awaitAcknowledged(t)
		// What is wrong there depends on the bytes: an incorrect prev-link, an invalid resource manager, an invalid length.
		a.awaitLog(t, mark, "at "+stuck.String())
		if now := a.replayed(t); now != stuck {
			t.Errorf("it has replayed from %s to %s", stuck, now)
		}
		const rows = "SELECT coalesce(string_agg(i::text, ' '), 'none') FROM x"
		if here, there := pgtest.Value[string](t, conn, rows), pgtest.Value[string](t, a.session(t), rows); here != "1" || there != "2" {
			t.Errorf("on the leader x has %s, and on the standby %s", here, there)
		}
	})
}

func TestWithoutThatHistoryAPromotionAndARewindAreRight(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a, c := deceived(t, programs)
		c.crash(t)
		if err := os.Remove(c.historyFile(2)); err != nil {
			t.Fatal(err)
		}
		c.boot(t)
		end := c.awaitExhausted(t)
		c.promote(t)
		if parent, at := c.fork(t, 2); parent != 1 || at != end {
			t.Errorf("timeline 2 left timeline %d at %s, not 1 at %s", parent, at, end)
		}
		pgtest.Exec(t, c.session(t), "CHECKPOINT")
		output, err := rewind(t, a, c)
		if err != nil || !strings.Contains(output, "servers diverged at WAL location "+end.String()) {
			t.Errorf("pg_rewind: %v, %s", err, output)
		}
	})
}

func TestAStandbyThatSettledOnADeadLeadersTimelineFollowsAnotherOnlyAfterARestart(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		b, c, d := a.follower(t, "b"), a.follower(t, "c"), a.follower(t, "d")
		for _, i := range []*instance{c, b, d} {
			i.detach(t)
			i.awaitExhausted(t)
		}
		fetched(t, b, c)
		b.crash(t)
		d.hold(t, 2)
		d.promote(t)
		d.createSlot(t, "c")
		c.attach(t, d)
		mark := c.printed()
		c.awaitLog(t, mark, "new timeline 3 is not a child of database system timeline")
		if id := c.identify(t); id.timeline != 1 {
			t.Errorf("it has replayed timeline %d", id.timeline)
		}
		c.crash(t)
		c.boot(t)
		c.awaitReplayedTimeline(t, 3)
		d.awaitStreaming(t, c)
	})
}
