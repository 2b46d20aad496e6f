//go:build integration

package instance

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

func TestAFormerLeaderThatWentOnAloneIsRewound(t *testing.T) {
	for _, major := range []string{"17", "15"} {
		t.Run("PostgreSQL "+major, func(t *testing.T) {
			w := cluster(t, 2, ofMajor(major))
			w.pods[2].reads(notes, "first")
			w.eventually("members are published", func() bool { return len(w.record().Quorum.Members) == 2 })
			before := w.pods[1].answers().Volume.Incarnation
			// What the first wrote last, the second never had.
			w.pods[2].kill()
			w.pods[1].must("INSERT INTO notes SELECT 'lost' || n FROM generate_series(1, 1000) n")
			w.check(shell("ip link set " + w.pods[1].link() + " down")) // so that it cannot stream
			w.pods[2].run()
			w.pods[2].becomes(instanceapi.StateFollowing)
			w.pass(w.pods[2])
			w.pods[2].becomes(instanceapi.StateRunning)
			w.pods[2].must("INSERT INTO notes VALUES ('second')")
			w.check(shell("ip link set " + w.pods[1].link() + " up"))
			w.pods[1].becomes(instanceapi.StateStreaming)
			w.pods[1].reads(notes, "first second")
			if after := w.pods[1].answers().Volume.Incarnation; after != before {
				t.Error("it was cloned again, although what it lacked could be fetched alone")
			}
			w.pods[1].logs("rewinding")
			w.pods[1].measures(`rewinds_total{outcome="done"}`, 1)
		})
	}
}

// The Lease that a leader writes again has reserved a timeline that it does not write yet: what others are rewound to is the one that it does.
func TestAFormerLeaderIsRewoundFromOneThatWroteTheLostLeaseAgain(t *testing.T) {
	w := cluster(t, 2)
	w.pods[2].reads(notes, "first")
	w.eventually("members are published", func() bool { return len(w.record().Quorum.Members) == 2 })
	before := w.pods[1].answers().Volume.Incarnation
	w.pods[2].kill()
	w.pods[1].must("INSERT INTO notes SELECT 'lost' || n FROM generate_series(1, 1000) n")
	w.check(shell("ip link set " + w.pods[1].link() + " down"))
	w.pods[2].run()
	w.pods[2].becomes(instanceapi.StateFollowing)
	w.pass(w.pods[2])
	w.pods[2].becomes(instanceapi.StateRunning)
	w.pods[2].must("INSERT INTO notes VALUES ('second')")
	w.deleteLease()
	w.createLease(false)
	w.eventually("the leader has written its record again", func() bool { return w.record().Holder == "shop-2" })
	if writes, reserved := w.pods[2].answers().Postgres.Timeline, w.record().Timeline; reserved <= writes {
		t.Fatalf("it writes timeline %d, and the Lease has %d", writes, reserved)
	}
	w.check(shell("ip link set " + w.pods[1].link() + " up"))
	w.pods[1].becomes(instanceapi.StateStreaming)
	w.pods[1].reads(notes, "first second")
	if after := w.pods[1].answers().Volume.Incarnation; after != before {
		t.Error("it was cloned again, although what it lacked could be fetched alone")
	}
	w.pods[1].measures(`rewinds_total{outcome="done"}`, 1)
}

// A history that tells of a later fork than there was, as PostgreSQL itself writes them, makes pg_rewind end well and do nothing: test/facts has them.
func TestAFormerLeaderInWhichARewindSeesNothingToDoIsClonedAgain(t *testing.T) {
	for _, major := range []string{"17", "15"} {
		t.Run("PostgreSQL "+major, func(t *testing.T) {
			w := cluster(t, 2, ofMajor(major))
			former, successor := w.pods[1], w.pods[2]
			w.eventually("members are published", func() bool { return len(w.record().Quorum.Members) == 2 })
			before := former.answers().Volume.Incarnation
			successor.kill()
			former.must("INSERT INTO notes SELECT 'lost' || n FROM generate_series(1, 1000) n")
			w.check(shell("ip link set " + former.link() + " down")) // so that it cannot stream
			successor.run()
			successor.becomes(instanceapi.StateFollowing)
			w.pass(successor)
			successor.becomes(instanceapi.StateRunning)
			successor.must("INSERT INTO notes VALUES ('second')")
			// Behind all that the former one has written, and before what a clone begins with.
			next := "SELECT pg_create_restore_point('next'), pg_switch_wal()"
			w.check(successor.superuser(next, next))
			later := successor.must("SELECT pg_current_wal_insert_lsn()::text")
			w.check(successor.superuser(next, "CHECKPOINT"))
			history := filepath.Join(successor.directory, "data/pgdata/pg_wal", postgres.HistoryFileName(w.record().Timeline))
			w.check(os.WriteFile(history, []byte("1\t"+later+"\tno recovery target specified\n"), 0o600))
			w.check(shell("ip link set " + former.link() + " up"))
			former.becomes(instanceapi.StateStreaming)
			former.reads(notes, "first second")
			former.logs("pg_rewind found nothing to take back")
			former.measures(`rewinds_total{outcome="failed"}`, 1)
			former.measures(`clones_total{outcome="done"}`, 1)
			if after := former.answers().Volume.Incarnation; after == before {
				t.Error("it is the same copy, although nothing was taken back")
			}
		})
	}
}

// Before that the leader's control file tells of the timeline that it has left, and pg_rewind of 15 sees nothing to do.
func TestAFormerLeaderIsRewoundOnceItsSuccessorHasWrittenACheckpoint(t *testing.T) {
	w := synchronous(t, 3, ofMajor("15"))
	former := w.named(w.record().Holder)
	before := former.answers().Volume.Incarnation
	var checkpointers []int
	for _, p := range w.pods {
		if p != former {
			checkpointers = append(checkpointers, p.process("checkpointer"))
		}
	}
	for _, checkpointer := range checkpointers {
		w.check(syscall.Kill(checkpointer, syscall.SIGSTOP))
	}
	w.check(shell("ip link set " + former.link() + " down"))
	w.check(former.superuser("SET synchronous_commit = local; CREATE TABLE lost (text text)"))
	successor := w.successor(former) // it need not be open for that
	w.check(shell("ip link set " + former.link() + " up"))
	w.eventually("it says what it waits for", func() bool {
		return strings.Contains(former.status().Message, "this copy has WAL that the leader has not; it is rewound once "+successor.name+" has written a checkpoint")
	})
	for _, checkpointer := range checkpointers {
		w.check(syscall.Kill(checkpointer, syscall.SIGCONT))
	}
	w.succeeds(former)
	former.becomes(instanceapi.StateStreaming)
	former.measures(`rewinds_total{outcome="done"}`, 1)
	former.reads(notes, "first second")
	if after := former.answers().Volume.Incarnation; after != before {
		t.Error("it was cloned again, although what it lacked could be fetched alone")
	}
}

// Half a rewind is no copy, and pg_rewind over a whole one finds nothing to do where there is.
func TestACrashInARewindIsGotOverByAClone(t *testing.T) {
	for _, step := range []string{"rewind: begin", "rewind: done"} {
		t.Run(step, func(t *testing.T) {
			w := synchronous(t, 3)
			former := w.named(w.record().Holder)
			before := former.answers().Volume.Incarnation
			w.check(shell("ip link set " + former.link() + " down"))
			w.check(former.superuser("SET synchronous_commit = local; CREATE TABLE lost (text text)"))
			w.succeeds(former)
			former.kill()
			w.check(shell("ip link set " + former.link() + " up"))
			former.run("TIMONIER_TEST_CRASH_AT=" + step)
			former.ends()
			former.run()
			former.configure()
			former.becomes(instanceapi.StateStreaming)
			former.reads(notes, "first second")
			if after := former.answers().Volume.Incarnation; after == before {
				t.Error("it is the same copy, although its rewind was interrupted")
			}
		})
	}
}
