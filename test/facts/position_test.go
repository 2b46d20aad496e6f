//go:build integration

package facts

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/postgres"
	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

func received(t *testing.T, conn *pgx.Conn) postgres.LSN {
	t.Helper()
	return lsn(t, pgtest.Value[string](t, conn, "SELECT coalesce(pg_last_wal_receive_lsn(), '0/0')::text"))
}

func TestARestartedStandbyReportsOnlyWhatItHasReplayed(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a, b := blockedReplay(t, programs, "delay")
		a.commit(t).awaitAcknowledged(t)
		b.detach(t)
		flushed := received(t, b.session(t))
		b.crash(t)
		b.boot(t)
		standby := b.session(t)
		if got := received(t, standby); got != 0 {
			t.Errorf("after the restart it says that it received %s", got)
		}
		if id := b.identify(t); id.position >= flushed {
			t.Errorf("IDENTIFY_SYSTEM says %s, beyond what is replayed", id.position)
		}
		// What it holds is told only at the end of replay.
		b.reload(t, "recovery_min_apply_delay", "0")
		if end := b.awaitExhausted(t); end != flushed {
			t.Errorf("replay ended at %s, not at %s", end, flushed)
		}
	})
}

func TestEndingTheSessionsThatBlockReplayLetsItComeToItsEnd(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a, b := blockedReplay(t, programs, "conflict")
		a.commit(t).awaitAcknowledged(t)
		b.detach(t)
		flushed := received(t, b.session(t))
		if at := b.replayed(t); at >= flushed {
			t.Fatalf("replay is at %s of %s, and not blocked", at, flushed)
		}
		// Of this run, and of the same timeline, IDENTIFY_SYSTEM counts what was received and not replayed yet.
		if id := b.identify(t); id.position != flushed {
			t.Errorf("IDENTIFY_SYSTEM says %s, not the received %s", id.position, flushed)
		}
		endConflict(t, b.session(t))
		if end := b.awaitExhausted(t); end != flushed {
			t.Errorf("replay ended at %s, not at %s", end, flushed)
		}
	})
}

func TestARestartedStandbySaysThatItReceivedUpToTheStartOfTheSegment(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		b := a.follower(t, "b")
		pgtest.Exec(t, a.session(t), "CREATE TABLE x (i int)")
		a.awaitStreaming(t, b)
		b.detach(t)
		flushed := received(t, b.session(t))
		for _, conninfo := range []string{"service=leader", ""} {
			b.detach(t)
			b.configure(t, "primary_conninfo", conninfo)
			b.crash(t)
			b.boot(t)
			end := b.awaitExhausted(t)
			if end != flushed {
				t.Errorf("replay ended at %s, not at %s", end, flushed)
			}
			want := flushed / segmentSize * segmentSize
			if conninfo == "" {
				want = 0
			}
			if got := received(t, b.session(t)); got != want {
				t.Errorf("with primary_conninfo %q it says that it received %s, not %s", conninfo, got, want)
			}
		}
		// Following an idle leader again changes nothing.
		b.configure(t, "primary_conninfo", "service=leader")
		b.attach(t, a)
		b.crash(t)
		b.boot(t)
		a.awaitStreaming(t, b)
		if got := received(t, b.session(t)); got != flushed/segmentSize*segmentSize && a.flushed(t) == flushed {
			t.Errorf("streaming from an idle leader it says that it received %s", got)
		}
	})
}

func TestTheControlFileOfAStandbyLagsBehindItsTimelineAndIDENTIFYSYSTEMDoesNot(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		// A page of the new timeline that the background writer wrote would put the control file onto it.
		a := newPrimary(t, programs, map[string]string{"bgwriter_lru_maxpages": "0"})
		b, c := a.follower(t, "b"), a.follower(t, "c")
		c.detach(t)
		b.detach(t)
		b.promote(t)
		b.createSlot(t, "c")
		c.attach(t, b)
		b.awaitStreaming(t, c)
		b.awaitReplayed(t, c)
		c.detach(t)
		want := identity{timeline: 2, position: received(t, c.session(t))}
		check := func(when string) {
			t.Helper()
			control := pgtest.Value[int64](t, c.session(t), "SELECT greatest(timeline_id, min_recovery_end_timeline) FROM pg_control_checkpoint(), pg_control_recovery()")
			if control != 1 {
				t.Errorf("%s: the control file is on timeline %d", when, control)
			}
			if id := c.identify(t); id != want {
				t.Errorf("%s: IDENTIFY_SYSTEM says %v, not %v", when, id, want)
			}
		}
		check("detached")
		c.crash(t)
		c.boot(t)
		c.awaitExhausted(t)
		check("restarted")
	})
}

// fetched makes b lead timeline 2 with WAL of its own, and leaves at c, which has none of it, the history that its walreceiver fetched.
func fetched(t *testing.T, b, c *instance) {
	t.Helper()
	b.promote(t)
	pgtest.Exec(t, b.session(t), "CREATE TABLE of_timeline_2 ()")
	// Without c's slot, b refuses it after the histories are exchanged.
	mark := c.printed()
	c.attach(t, b)
	c.awaitLog(t, mark, "new target timeline is 2")
	c.detach(t)
	c.awaitExhausted(t)
}

func TestAHistoryWithoutWALDoesNotChangeTheTimelineOfIDENTIFYSYSTEM(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		b, c := a.follower(t, "b"), a.follower(t, "c")
		c.detach(t)
		b.detach(t)
		want := identity{timeline: 1, position: c.awaitExhausted(t)}
		fetched(t, b, c)
		if id := c.identify(t); id != want {
			t.Errorf("with a newer history it says %v, not %v", id, want)
		}
		c.crash(t)
		c.boot(t)
		c.awaitExhausted(t)
		if id := c.identify(t); id != want {
			t.Errorf("after a restart it says %v, not %v", id, want)
		}
	})
}

func TestAPromotionForksWhereReplayEnded(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		for name, prepare := range map[string]func(t *testing.T, a *instance) *instance{
			"detached": func(t *testing.T, a *instance) *instance {
				b := a.follower(t, "b")
				pgtest.Exec(t, a.session(t), "CREATE TABLE x ()")
				a.awaitStreaming(t, b)
				return b
			},
			"after the switch of a segment": func(t *testing.T, a *instance) *instance {
				b := a.follower(t, "b")
				pgtest.Exec(t, a.session(t), "CREATE TABLE x ()", "SELECT pg_switch_wal()")
				a.awaitStreaming(t, b)
				return b
			},
			"the last record torn": torn,
			"a primary that was stopped": func(t *testing.T, a *instance) *instance {
				if err := a.Stop(); err != nil {
					t.Fatal(err)
				}
				return asStandby(t, a)
			},
			"a primary that crashed": func(t *testing.T, a *instance) *instance {
				pgtest.Exec(t, a.session(t), "CREATE TABLE x ()")
				a.crash(t)
				return asStandby(t, a)
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				standby := prepare(t, newPrimary(t, programs, nil))
				standby.detach(t)
				end := standby.awaitExhausted(t)
				standby.promote(t)
				if parent, at := standby.fork(t, 2); parent != 1 || at != end {
					t.Errorf("replay ended at %s, and timeline 2 left timeline %d at %s", end, parent, at)
				}
			})
		}
	})
}

func asStandby(t *testing.T, i *instance) *instance {
	t.Helper()
	if err := i.WriteFile("standby.signal", ""); err != nil {
		t.Fatal(err)
	}
	i.boot(t)
	return i
}

// torn makes a standby whose last record is incomplete, as after a power failure: its end is zeros.
func torn(t *testing.T, a *instance) *instance {
	t.Helper()
	b := a.follower(t, "b")
	conn := a.session(t)
	pgtest.Exec(t, conn, "CREATE TABLE x ()")
	thaw := freeze(t, process(t, conn, "background writer")) // which writes WAL of its own from time to time
	begin := a.flushed(t)
	pgtest.Exec(t, conn, "SELECT pg_logical_emit_message(false, 'torn', repeat('x', 100000))", "CREATE TABLE y ()")
	thaw()
	a.awaitStreaming(t, b)
	b.detach(t)
	b.crash(t)
	b.zeroWAL(t, 1, begin+5*8192)
	b.boot(t)
	if end := b.awaitExhausted(t); end != begin {
		t.Errorf("replay ended at %s, not before the torn record at %s", end, begin)
	}
	return b
}

// zeroWAL makes zeros of a segment from the page of a position on.
func (i *instance) zeroWAL(t *testing.T, timeline int64, from postgres.LSN) {
	t.Helper()
	const page = 8192
	file, err := os.OpenFile(i.segment(timeline, from), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	offset := int64(from%segmentSize) / page * page
	if _, err := file.WriteAt(make([]byte, segmentSize-offset), offset); err != nil {
		t.Fatal(err)
	}
}

func TestTheInsertPositionOfAnIdlePrimaryMayLieBeyondAllThatItEverFlushes(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		b := a.follower(t, "b")
		conn := a.session(t)
		freeze(t, process(t, conn, "background writer")) // which writes WAL of its own from time to time
		pgtest.Exec(t, conn, "SELECT pg_switch_wal()")
		a.awaitStreaming(t, b)
		position := func(function string) postgres.LSN {
			return lsn(t, pgtest.Value[string](t, conn, "SELECT pg_current_wal_"+function+"()::text"))
		}
		flushed, inserted := position("flush_lsn"), position("insert_lsn")
		// 40 bytes are the header of a segment's first page.
		if flushed%segmentSize != 0 || inserted != flushed+40 {
			t.Errorf("flushed to %s, inserted to %s", flushed, inserted)
		}
		if got := received(t, b.session(t)); got != flushed {
			t.Errorf("the standby has received %s, not %s", got, flushed)
		}
	})
}
