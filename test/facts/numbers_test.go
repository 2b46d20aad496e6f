//go:build integration

package facts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/timonier-io/timonier/internal/postgres"
	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

// placeholder is a history file that only keeps a number from being taken: PostgreSQL skips comments.
const placeholder = "# this timeline's number is kept free\n"

func (i *instance) hold(t *testing.T, timelines ...int64) {
	t.Helper()
	for _, timeline := range timelines {
		if err := i.WriteFile(filepath.Join("pg_wal", postgres.HistoryFileName(timeline)), placeholder); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPlaceholdersOfHistoriesMakeAPromotionTakeExactlyTheNumberWished(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		b, c := a.follower(t, "b"), a.follower(t, "c")
		c.detach(t)
		b.detach(t)
		end := b.awaitExhausted(t)
		b.hold(t, 2, 3, 4)
		b.promote(t)
		if id := b.identify(t); id.timeline != 5 {
			t.Errorf("it took timeline %d", id.timeline)
		}
		if parent, at := b.fork(t, 5); parent != 1 || at != end || strings.Contains(b.history(t, 5), "2\t") {
			t.Errorf("the history of timeline 5: %q", b.history(t, 5))
		}

		// A follower asks for every history on the way, and cannot follow where one is missing.
		b.createSlot(t, "c")
		c.attach(t, b)
		b.awaitStreaming(t, c)
		for _, timeline := range []int64{2, 3, 4} {
			if content := c.history(t, timeline); content != placeholder {
				t.Errorf("the follower's history of timeline %d: %q", timeline, content)
			}
		}
		c.crash(t)
		c.boot(t)
		b.awaitStreaming(t, c)
		c.awaitReplayedTimeline(t, 5)
	})
}

func (i *instance) awaitReplayedTimeline(t *testing.T, timeline int64) {
	t.Helper()
	await(t, fmt.Sprintf("%s has replayed timeline %d", i.name, timeline), func() bool { return i.identify(t).timeline == timeline })
}

func TestAFollowerCannotFollowWhereAHistoryIsMissingOnTheWay(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		b, c := a.follower(t, "b"), a.follower(t, "c")
		c.detach(t)
		b.detach(t)
		b.awaitExhausted(t)
		b.hold(t, 2, 3)
		b.promote(t)
		b.createSlot(t, "c")
		if err := os.Remove(b.historyFile(3)); err != nil {
			t.Fatal(err)
		}
		mark := c.printed()
		c.attach(t, b)
		t.Log(c.awaitLog(t, mark, "00000003.history"))
		b.hold(t, 3)
		b.awaitStreaming(t, c)
	})
}

func TestARestartOverAPlaceholderWithoutALaterHistoryNeverComesUp(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, nil)
		b := a.follower(t, "b")
		b.detach(t)
		end := b.awaitExhausted(t)
		b.hold(t, 2)
		b.crash(t)

		refused := func() {
			t.Helper()
			var refusal *pgconn.PgError
			if conn, err := b.Connect(t.Context(), "postgres", "postgres"); err == nil {
				b.closed(t, conn)
				t.Error("it accepts connections")
			} else if !errors.As(err, &refusal) || refusal.Code != "57P03" {
				t.Error(err)
			}
		}
		// With nobody to ask it looks for its own checkpoint on timeline 2 only, for ever.
		mark := b.printed()
		if err := b.Launch(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.awaitLog(t, mark, "waiting for WAL to become available")
		refused()
		// With a leader that has the checkpoint it gets it, and takes none of it.
		b.attach(t, a)
		b.awaitLog(t, mark, "unexpected timeline ID 1")
		refused()
		b.crash(t)

		b.close(t)
		if err := os.Remove(b.historyFile(2)); err != nil {
			t.Fatal(err)
		}
		b.boot(t)
		// It may have received more of the leader's meanwhile, which it did not take.
		if again := b.awaitExhausted(t); again < end {
			t.Errorf("recovery ended at %s, and at %s before", again, end)
		}
	})
}

// archived is a base backup of a leader that took timeline 3, and the archive of its WAL, in which the number 2 is missing. The row in x was
// written on timeline 3.
func archived(t *testing.T, programs pgtest.Programs) (backup *instance, archive string) {
	t.Helper()
	a := newPrimary(t, programs, nil)
	archive = a.folder(t, "archive")
	a.reload(t, "archive_command", "cp %p "+archive+"/%f")
	pgtest.Exec(t, a.session(t), "CREATE TABLE x (i int)")
	backup = &instance{name: "backup", Server: pgtest.RunClone(t, a.Server)}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	asStandby(t, a)
	a.awaitExhausted(t)
	a.hold(t, 2)
	a.promote(t)
	conn := a.session(t)
	pgtest.Exec(t, conn, "INSERT INTO x VALUES (1)", "SELECT pg_switch_wal()")
	await(t, "the WAL of timeline 3 is archived", func() bool {
		return pgtest.Value[bool](t, conn, "SELECT last_archived_wal LIKE '00000003________________' FROM pg_stat_archiver")
	})
	if err := backup.WriteFile("recovery.signal", ""); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(backup.Data, "standby.signal")); err != nil {
		t.Fatal(err)
	}
	backup.configure(t, "restore_command", "cp "+archive+"/%f %p")
	backup.configure(t, "archive_command", "true")
	backup.configure(t, "primary_conninfo", "")
	return backup, archive
}

// rows of x in a restored server, once recovery is over.
func (i *instance) restoredRows(t *testing.T) int {
	t.Helper()
	i.boot(t)
	conn := i.session(t)
	await(t, "the restore is over", func() bool { return !pgtest.Value[bool](t, conn, "SELECT pg_is_in_recovery()") })
	return pgtest.Value[int](t, conn, "SELECT count(*) FROM x")
}

func TestARestoreToTheLatestTimelineStopsAtTheFirstGap(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		backup, _ := archived(t, programs)
		if rows := backup.restoredRows(t); rows != 0 {
			t.Errorf("%d rows of timeline 3, although nothing tells of timeline 2", rows)
		}
	})
}

func TestARestoreToANamedTimelineNeedsNoPlaceholder(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		backup, _ := archived(t, programs)
		backup.configure(t, "recovery_target_timeline", "3")
		if rows := backup.restoredRows(t); rows != 1 {
			t.Errorf("%d rows", rows)
		}
	})
}

func TestAnArchivedPlaceholderLeadsARestoreToTheLatestTimeline(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		backup, archive := archived(t, programs)
		path := filepath.Join(archive, postgres.HistoryFileName(2))
		if err := errors.Join(os.WriteFile(path, []byte(placeholder), 0o600), backup.Chown(path)); err != nil {
			t.Fatal(err)
		}
		if rows := backup.restoredRows(t); rows != 1 {
			t.Errorf("%d rows", rows)
		}
	})
}
