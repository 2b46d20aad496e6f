//go:build integration

package facts

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

// rewind runs pg_rewind as a role that has only what its documentation asks for, and tells what it printed.
func rewind(t *testing.T, target, source *instance, arguments ...string) (string, error) {
	t.Helper()
	began := time.Now()
	output, err := target.Command(t.Context(), "pg_rewind", append(arguments, "--target-pgdata="+target.Data, "--no-sync",
		fmt.Sprintf("--source-server=host=%s port=%d user=%s dbname=postgres", source.Socket, source.Port, naming.ReplicationRole))...).CombinedOutput()
	t.Logf("pg_rewind took %s", time.Since(began))
	return string(output), err
}

// createRewinder makes that role. https://www.postgresql.org/docs/17/app-pgrewind.html#id-1.9.5.9.8
func createRewinder(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	pgtest.Exec(t, conn, "CREATE ROLE "+naming.ReplicationRole+" LOGIN REPLICATION")
	for _, function := range []string{
		"pg_ls_dir(text, boolean, boolean)", "pg_stat_file(text, boolean)",
		"pg_read_binary_file(text)", "pg_read_binary_file(text, bigint, bigint, boolean)",
	} {
		pgtest.Exec(t, conn, "GRANT EXECUTE ON FUNCTION pg_catalog."+function+" TO "+naming.ReplicationRole)
	}
}

// diverged are a, stopped or crashed after it wrote what nobody else has, and b, that was promoted before that and whose
// checkpointer has not come to a checkpoint since.
func diverged(t *testing.T, programs pgtest.Programs, crashed bool) (a, b *instance, thaw func()) {
	t.Helper()
	a = newPrimary(t, programs, nil)
	conn := a.session(t)
	createRewinder(t, conn)
	pgtest.Exec(t, conn, "CREATE TABLE x (i int)")
	b = a.follower(t, "b")
	b.detach(t)
	pgtest.Exec(t, conn, "INSERT INTO x SELECT generate_series(1, 1000)")
	if crashed {
		a.crash(t)
	} else if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	b.awaitExhausted(t)
	thaw = freeze(t, process(t, b.session(t), "checkpointer"))
	b.promote(t)
	return a, b, thaw
}

// rejoin starts a rewound server as a standby, and checks that it has what the leader has.
func rejoin(t *testing.T, member, leader *instance) {
	t.Helper()
	conn := leader.session(t)
	leader.createSlot(t, member.name)
	pgtest.Exec(t, conn, "INSERT INTO x VALUES (1)")
	member.configure(t, "primary_slot_name", naming.Slot(member.name))
	member.attach(t, leader)
	asStandby(t, member)
	leader.awaitStreaming(t, member)
	leader.awaitReplayed(t, member)
	const rows = "SELECT count(*) FROM x"
	if here, there := pgtest.Value[int](t, conn, rows), pgtest.Value[int](t, member.session(t), rows); here != there {
		t.Errorf("the leader has %d rows, and the standby %d", here, there)
	}
}

func TestBeforeTheFirstCheckpointOfANewTimelineRewindSeesNothingToDoIn15AndKnowsBetterIn17(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a, b, _ := diverged(t, programs, false)
		output, err := rewind(t, a, b)
		want := map[string]string{"15": "no rewind required", "17": "Done!"}[programs.Major]
		if err != nil || !strings.Contains(output, want) {
			t.Errorf("pg_rewind: %v, %s", err, output)
		}
		if programs.Major == "17" {
			rejoin(t, a, b)
		}
	})
}

func TestAfterACheckpointOnTheNewLeaderRewindBringsAFormerPrimaryBack(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		for _, crashed := range []bool{false, true} {
			a, b, thaw := diverged(t, programs, crashed)
			thaw()
			pgtest.Exec(t, b.session(t), "CHECKPOINT")
			output, err := rewind(t, a, b)
			if err != nil || !strings.Contains(output, "servers diverged at WAL location") || !strings.HasSuffix(output, "pg_rewind: Done!\n") {
				t.Errorf("pg_rewind: %v, %s", err, output)
			}
			rejoin(t, a, b)
		}
	})
}

func TestARewindThatIsRepeatedDivergesTheServerOnTheLeadersTimeline(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a, b, thaw := diverged(t, programs, false)
		thaw()
		pgtest.Exec(t, b.session(t), "CHECKPOINT")
		if output, err := rewind(t, a, b); err != nil {
			t.Fatalf("pg_rewind: %v, %s", err, output)
		}
		// It is not cleanly shut down now: the second run recovers it as a primary, whose checkpoint nobody else has.
		output, err := rewind(t, a, b)
		if err != nil || !strings.Contains(output, "no rewind required") {
			t.Errorf("pg_rewind: %v, %s", err, output)
		}
		own := a.control(t)
		if leader := b.control(t); own.Timeline() != leader.Timeline() || !own.CleanlyShutDown() || own.CheckpointLocation <= leader.CheckpointLocation {
			t.Errorf("the control file of the rewound server: %+v, and of the leader: %+v", own, leader)
		}
	})
}

func TestARewindThatIsRepeatedWithoutRecoveryIsRefused(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a, b, thaw := diverged(t, programs, false)
		thaw()
		pgtest.Exec(t, b.session(t), "CHECKPOINT")
		if output, err := rewind(t, a, b, "--no-ensure-shutdown"); err != nil {
			t.Fatalf("pg_rewind: %v, %s", err, output)
		}
		output, err := rewind(t, a, b, "--no-ensure-shutdown")
		t.Log(output, err)
		if err == nil || !strings.Contains(output, "target server must be shut down cleanly") {
			t.Errorf("pg_rewind: %v, %s", err, output)
		}
		rejoin(t, a, b)
	})
}

// twoOfOneNumber are b and c, both promoted to timeline 2 at the same position, which then write WAL of their own.
func twoOfOneNumber(t *testing.T, programs pgtest.Programs) (b, c *instance) {
	t.Helper()
	a := newPrimary(t, programs, nil)
	conn := a.session(t)
	createRewinder(t, conn)
	pgtest.Exec(t, conn, "CREATE TABLE x (i int)")
	b, c = a.follower(t, "b"), a.follower(t, "c")
	// So both have the same, to the last record.
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	for n, i := range []*instance{b, c} {
		i.detach(t)
		i.awaitExhausted(t)
		i.promote(t)
		// Of different lengths, so that the records of one lie elsewhere than those of the other.
		pgtest.Exec(t, i.session(t), fmt.Sprintf("INSERT INTO x SELECT generate_series(1, %d)", 3-2*n), "CHECKPOINT")
	}
	if parent, at := b.fork(t, 2); parent != 1 {
		t.Errorf("timeline 2 of b left timeline %d at %s", parent, at)
	}
	if b.history(t, 2) != c.history(t, 2) {
		t.Errorf("the histories differ: %q, %q", b.history(t, 2), c.history(t, 2))
	}
	return b, c
}

func TestTwoPromotionsTakeTheSameNumberAndRewindDoesNotSeeIt(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		b, c := twoOfOneNumber(t, programs)
		if err := c.Stop(); err != nil {
			t.Fatal(err)
		}
		output, err := rewind(t, c, b)
		if err != nil || !strings.Contains(output, "no rewind required") {
			t.Errorf("pg_rewind: %v, %s", err, output)
		}
		b.createSlot(t, "c")
		c.attach(t, b)
		pgtest.Exec(t, b.session(t), "SELECT pg_switch_wal()", "SELECT pg_switch_wal()", "INSERT INTO x VALUES (4)")
		mark := c.printed()
		asStandby(t, c)
		c.awaitLog(t, mark, "incorrect prev-link")
	})
}
