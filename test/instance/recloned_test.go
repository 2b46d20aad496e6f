//go:build integration

package instance

import (
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

func TestAFormerLeaderThatCannotBeRewoundIsClonedAgain(t *testing.T) {
	w := cluster(t, 2, keepingLittleWAL)
	former, successor := w.pods[1], w.pods[2]
	w.eventually("members are published", func() bool { return len(w.record().Quorum.Members) == 2 })
	before := former.answers().Volume.Incarnation
	successor.kill()
	former.must("INSERT INTO notes SELECT 'lost' || n FROM generate_series(1, 1000) n")
	w.check(shell("ip link set " + former.link() + " down")) // so that it cannot stream
	former.forgetsWAL(successor)                             // with what it wrote last that both have, where a rewind begins
	successor.run()
	successor.becomes(instanceapi.StateFollowing)
	w.pass(successor)
	successor.becomes(instanceapi.StateRunning)
	successor.must("INSERT INTO notes VALUES ('second')")
	w.check(shell("ip link set " + former.link() + " up"))
	former.becomes(instanceapi.StateStreaming)
	former.reads(notes, "first second")
	former.measures(`rewinds_total{outcome="failed"}`, 1)
	former.measures(`clones_total{outcome="done"}`, 1)
	if after := former.answers().Volume.Incarnation; after == before {
		t.Error("it is the same copy, although it could not be rewound")
	}
}

// Each clone would be in vain as the one before: WAL is gone before it can be had.
func TestAStandbyThatWasClonedInVainTooOftenIsLeftToAPerson(t *testing.T) {
	w := cluster(t, 2, keepingLittleWAL)
	leader, standby := w.pods[1], w.pods[2]
	lost := func() (incarnation string) {
		standby.becomes(instanceapi.StateStreaming)
		w.check(shell("ip link set " + standby.link() + " down"))
		leader.forgetsWAL(standby)
		w.check(shell("ip link set " + standby.link() + " up"))
		return standby.answers().Volume.Incarnation
	}
	for range 3 {
		before := lost()
		w.eventually("it is cloned again and streams", func() bool {
			status := standby.status()
			return status.State == instanceapi.StateStreaming && status.Volume.Incarnation != before
		})
	}
	before := lost()
	w.eventually("it says that it is left to a person", func() bool {
		status := standby.status()
		if incarnation := status.Volume.Incarnation; incarnation != "" && incarnation != before {
			t.Fatal("it is cloned for the fourth time")
		}
		return status.State == instanceapi.StateFollowing && status.WaitReason == instanceapi.WaitFollow &&
			strings.Contains(status.Message, "was cloned 3 times within an hour, so it is not cloned again before that hour is over")
	})
	standby.reads(notes, "first")
	_, err := standby.client.Reinitialize(w.ctx)
	w.check(err)
	w.eventually("asked by a person it is cloned, and streams", func() bool {
		status := standby.status()
		return status.State == instanceapi.StateStreaming && status.WaitReason == "" && status.Volume.Incarnation != before
	})
}

// keepingLittleWAL is only what a slot is there for.
func keepingLittleWAL(w *world) { w.parameters = map[string]string{"wal_keep_size": "0"} }

// forgetsWAL that this leader has kept for a standby, which does not reach it.
func (p *pod) forgetsWAL(standby *pod) {
	p.w.t.Helper()
	slot := naming.Slot(standby.name)
	next := "SELECT pg_create_restore_point('next'), pg_switch_wal()"
	p.w.eventually("the slot of "+standby.name+" is free", func() bool {
		return p.superuser("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '"+slot+"'",
			"SELECT pg_drop_replication_slot('"+slot+"')") == nil
	})
	p.w.check(p.superuser(next, next, "CHECKPOINT", next, "CHECKPOINT"))
}

func TestAStandbyWhoseWALIsGoneIsClonedAgain(t *testing.T) {
	for _, major := range []string{"17", "15"} {
		t.Run("PostgreSQL "+major, func(t *testing.T) {
			w := cluster(t, 2, ofMajor(major), func(w *world) {
				w.parameters = map[string]string{"wal_keep_size": "0", "max_slot_wal_keep_size": "16MB"}
			})
			w.pods[2].reads(notes, "first")
			before := w.pods[2].answers().Volume.Incarnation
			w.pods[2].kill()
			fill := "CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 20000); DROP TABLE filler; SELECT pg_switch_wal()"
			w.check(w.pods[1].superuser(fill, fill, fill, "CHECKPOINT", fill, "CHECKPOINT"))
			w.pods[2].run()
			w.eventually("it is cloned again and streams", func() bool {
				status := w.pods[2].status()
				return status.State == instanceapi.StateStreaming && status.Volume.Incarnation != before
			})
			w.pods[2].reads(notes, "first")
		})
	}
}
