//go:build integration

package instance

import (
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// cluster starts n instances and waits until all serve; the first leads and holds a table with one row.
func cluster(t *testing.T, n int, prepare ...func(*world)) *world {
	t.Helper()
	w := newWorld(t, n)
	for _, prepare := range prepare {
		prepare(w)
	}
	w.createLease(true)
	for i := 1; i <= n; i++ {
		w.start(i)
	}
	for i := 1; i <= n; i++ {
		w.pods[i].configure()
	}
	w.pods[1].becomes(instanceapi.StateRunning)
	for i := 2; i <= n; i++ {
		w.pods[i].becomes(instanceapi.StateStreaming)
	}
	w.pods[1].grant()
	w.pods[1].must("CREATE TABLE notes (text text)")
	w.pods[1].must("INSERT INTO notes VALUES ('first')")
	for i := 2; i <= n; i++ {
		w.pods[i].reads(notes, "first")
	}
	return w
}

const notes = "SELECT string_agg(text, ' ' ORDER BY text) FROM notes"

func TestStandbysCloneFollowAndServeReads(t *testing.T) {
	w := cluster(t, 3)
	for n := 2; n <= 3; n++ {
		w.pods[n].reads(notes, "first")
		if _, err := w.pods[n].query("INSERT INTO notes VALUES ('on a standby')"); err == nil || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("a write on %s: %v; want a refusal", w.pods[n].name, err)
		}
	}
	w.eventually("the read-only slice has the standbys", func() bool {
		return w.serving(naming.ReplicaService(clusterName)) == "shop-2 shop-3" && w.serving(naming.PrimaryService(clusterName)) == "shop-1"
	})
	w.eventually("members are published", func() bool {
		return strings.Join(w.record().MemberNames(), " ") == "shop-1 shop-2 shop-3"
	})
	// The Lease is written first, and it takes an answer of each standby to know where it runs.
	w.eventually("the read-only slice tells their nodes", func() bool { return w.nodes(naming.ReplicaService(clusterName)) == "node-2 node-3" })
	w.pods[3].terminate()
	w.eventually("a stopped standby leaves the read-only slice", func() bool { return w.serving(naming.ReplicaService(clusterName)) == "shop-2" })
	w.pods[1].must("INSERT INTO notes VALUES ('second')")
	w.pods[3].run()
	w.pods[3].reads(notes, "first second")
	w.eventually("it is back in the slice", func() bool { return w.serving(naming.ReplicaService(clusterName)) == "shop-2 shop-3" })

	// One that has all and shows nothing of it is no standby to read from, however little that is.
	w.check(w.pods[3].superuser("SELECT pg_wal_replay_pause()"))
	w.pods[1].must("INSERT INTO notes VALUES ('third')")
	w.eventually("one whose replay stands still leaves the read-only slice", func() bool { return w.serving(naming.ReplicaService(clusterName)) == "shop-2" })
	w.check(w.pods[3].superuser("SELECT pg_wal_replay_resume()"))
	w.eventually("it is back once it has replayed", func() bool { return w.serving(naming.ReplicaService(clusterName)) == "shop-2 shop-3" })
}

func TestALoneLeaderRestartsInPlace(t *testing.T) {
	w := cluster(t, 1)
	before := w.record()
	for _, end := range []struct {
		how string
		end func(*pod)
	}{{"stopped", (*pod).terminate}, {"killed", (*pod).kill}} {
		end.end(w.pods[1])
		w.pods[1].run()
		w.pods[1].becomes(instanceapi.StateRunning)
		w.pods[1].must("INSERT INTO notes VALUES ('after it was " + end.how + "')")
	}
	w.pods[1].reads(notes, "after it was killed after it was stopped first")
	after := w.record()
	if after.Term != before.Term || after.Timeline != before.Timeline || after.Holder != before.Holder {
		t.Errorf("the Lease said %+v, and says %+v", before, after)
	}
}

func TestAnInstanceThatIsScaledAwayLosesSlotAndMembership(t *testing.T) {
	w := cluster(t, 3)
	w.eventually("members are published", func() bool { return len(w.record().Quorum.Members) == 3 })
	w.pods[3].terminate()
	w.instances = 2
	w.pods[1].configure()
	w.pods[2].configure()
	w.eventually("it is no member any more", func() bool { return strings.Join(w.record().MemberNames(), " ") == "shop-1 shop-2" })
	w.pods[1].reads("SELECT string_agg(slot_name, ' ') FROM pg_replication_slots", "timonier_shop_2")
	w.pods[2].reads("SELECT string_agg(slot_name, ' ') FROM pg_replication_slots", "timonier_shop_1")
}

func TestSlotsOnStandbysMoveByThemselves(t *testing.T) {
	w := cluster(t, 2)
	slot := "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), restart_lsn) < 20000 FROM pg_replication_slots WHERE slot_name = 'timonier_shop_1'"
	w.pods[2].reads("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'timonier_shop_1'", "1")
	w.pods[1].must("INSERT INTO notes SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
	w.pods[2].reads(slot, "true")
}
