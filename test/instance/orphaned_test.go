//go:build integration

package instance

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// recreated deletes the Lease while nothing runs, and makes it empty: a cluster over volumes that were kept.
func (w *world) recreated(end func(*pod)) {
	w.t.Helper()
	w.eventually("members are published", func() bool { return len(w.record().Quorum.Members) == w.instances })
	for n := w.instances; n >= 1; n-- {
		end(w.pods[n])
	}
	w.deleteLease()
	w.createLease(false)
}

func TestAClusterIsCreatedAgainOverItsVolumes(t *testing.T) {
	w := cluster(t, 3)
	system := w.record().System
	w.pods[2].reads(notes, "first")
	w.recreated((*pod).terminate)
	w.pods[1].run()
	w.pods[2].run()
	status := w.pods[1].waitsFor(instanceapi.WaitVolumes)
	w.eventually("the message names the one that is missing", func() bool {
		status = w.pods[1].status()
		return strings.Contains(status.Message, "shop-3") && !strings.Contains(status.Message, "shop-2")
	})
	if w.record().Holder != "" {
		t.Fatalf("somebody leads although shop-3 has not reported: %+v", w.record())
	}
	w.pods[3].run()
	w.eventually("somebody leads", func() bool { return w.record().Holder != "" })
	w.eventually("it serves, the others follow", func() bool {
		states := map[instanceapi.State]int{}
		for _, p := range w.pods {
			states[p.status().State]++
		}
		return states[instanceapi.StateRunning] == 1 && states[instanceapi.StateStreaming] == 2
	})
	record := w.record()
	if record.System != system || record.Term < 2 || record.Timeline < 2 {
		t.Errorf("the Lease says %+v; want the same system, a later term and timeline", record)
	}
	leader := w.leader()
	if timeline := leader.answers().Postgres.Timeline; timeline != record.Timeline {
		t.Errorf("the leader writes timeline %d, the Lease says %d", timeline, record.Timeline)
	}
	leader.must("INSERT INTO notes VALUES ('second')")
	for _, p := range w.pods {
		p.reads(notes, "first second")
	}
}

// leader waits until one answers that it leads.
func (w *world) leader() (leader *pod) {
	w.t.Helper()
	w.eventually("somebody leads", func() bool {
		for _, p := range w.pods {
			if p.status().Leader {
				leader = p
			}
		}
		return leader != nil
	})
	return leader
}

func TestTheMostAdvancedLeads(t *testing.T) {
	w := cluster(t, 2)
	w.pods[2].reads(notes, "first")
	w.eventually("members are published", func() bool { return len(w.record().Quorum.Members) == 2 })
	w.pods[2].kill()
	w.pods[1].must("INSERT INTO notes VALUES ('only on the first')")
	w.pods[1].kill() // in the middle of everything: how far it is must be found out
	w.deleteLease()
	w.createLease(false)
	w.pods[2].run()
	w.pods[1].run()
	w.eventually("the first leads", func() bool { return w.record().Holder == "shop-1" })
	w.pods[1].becomes(instanceapi.StateRunning)
	w.pods[1].reads(notes, "first only on the first")
	w.pods[2].becomes(instanceapi.StateStreaming)
	w.pods[2].reads(notes, "first only on the first")
}

func TestTheStandbyLeadsWhereItIsAhead(t *testing.T) {
	w := cluster(t, 2)
	w.eventually("members are published", func() bool { return len(w.record().Quorum.Members) == 2 })
	// An old copy of the first instance's volume, as a restored snapshot would be.
	w.pods[1].terminate()
	w.check(shell("cp -a " + w.pods[1].directory + "/data " + w.pods[1].directory + "/old"))
	w.pods[1].run()
	w.eventually("whoever leads takes writes", func() bool {
		holder := w.record().Holder
		if holder == "" {
			return false
		}
		_, err := w.named(holder).query(once("later"))
		return err == nil
	})
	w.pods[1].reads(notes, "first later")
	w.pods[2].reads(notes, "first later")
	w.recreated((*pod).kill)
	w.check(shell("rm -rf " + w.pods[1].directory + "/data && mv " + w.pods[1].directory + "/old " + w.pods[1].directory + "/data"))
	w.pods[1].run()
	w.pods[2].run()
	w.eventually("the second leads", func() bool { return w.record().Holder == "shop-2" })
	w.pods[2].becomes(instanceapi.StateRunning)
	w.pods[1].becomes(instanceapi.StateStreaming)
	w.pods[1].reads(notes, "first later")
}

func TestAVolumeThatWasLostIsWaitedFor(t *testing.T) {
	w := cluster(t, 2)
	w.recreated((*pod).terminate)
	w.pods[2].loseVolume("data")
	w.pods[1].run()
	w.pods[2].run()
	w.pods[2].configure()
	w.eventually("it says whose data is missing", func() bool {
		status := w.pods[1].status()
		return status.WaitReason == instanceapi.WaitVolumes && strings.Contains(status.Message, "without their data: shop-2")
	})
}

func TestANewInstanceNeedsNoDataToReport(t *testing.T) {
	w := cluster(t, 1)
	w.recreated((*pod).terminate)
	w.instances = 2
	w.pods[1].run()
	w.pods[1].configure()
	w.start(2).configure()
	w.pods[1].becomes(instanceapi.StateRunning)
	w.pods[2].becomes(instanceapi.StateStreaming)
	w.pods[2].reads(notes, "first")
}

func TestARunningLeaderWritesADeletedLeaseAgain(t *testing.T) {
	w := synchronous(t, 2)
	before := w.record()
	w.deleteLease()
	w.pods[1].must("INSERT INTO notes VALUES ('without a Lease')")
	w.createLease(false)
	w.eventually("the leader has written its record again", func() bool { return w.record().Holder == "shop-1" })
	after := w.record()
	if after.System != before.System || after.Term <= before.Term || after.Revision <= before.Revision || after.Timeline <= before.Timeline {
		t.Errorf("the Lease said %+v, and says %+v", before, after)
	}
	w.pods[2].reads(notes, "first without a Lease")

	// What it owes: the promotion to a number that the Lease reserved, and nobody has used. The other may be faster to make it.
	w.pods[1].kill()
	w.pods[1].run()
	w.eventually("somebody leads on the Lease's timeline", func() bool {
		leader := w.named(w.record().Holder)
		status := leader.status()
		return status.State == instanceapi.StateRunning && status.Postgres.Timeline == w.record().Timeline
	})
	w.named(w.record().Holder).must("INSERT INTO notes VALUES ('restarted')")
	w.pods[2].reads(notes, "first restarted without a Lease")
}

func TestALeaseEditedByHandIsWrittenAgain(t *testing.T) {
	w := synchronous(t, 2)
	before := w.pods[1].answers().Postgres
	leases := env.api.kubernetes.CoordinationV1().Leases(w.namespace)
	lease, err := leases.Get(w.ctx, naming.Lease(clusterName), metav1.GetOptions{})
	w.check(err)
	somebody := "shop-9"
	lease.Spec.HolderIdentity = &somebody
	w.eventually("the edit is written", func() bool {
		lease, err = leases.Get(w.ctx, naming.Lease(clusterName), metav1.GetOptions{})
		w.check(err)
		lease.Spec.HolderIdentity = &somebody
		_, err = leases.Update(w.ctx, lease, metav1.UpdateOptions{})
		return err == nil
	})
	w.eventually("the leader has written its record again", func() bool {
		lease, err = leases.Get(w.ctx, naming.Lease(clusterName), metav1.GetOptions{})
		w.check(err)
		return *lease.Spec.HolderIdentity == "shop-1"
	})
	w.pods[1].becomes(instanceapi.StateRunning)
	w.pods[1].must("INSERT INTO notes VALUES ('second')")
	if after := w.pods[1].answers().Postgres; after.PID != before.PID {
		t.Errorf("PostgreSQL was restarted: its process was %d, and is %d", before.PID, after.PID)
	}
	if last := w.record().LastFailover; last != nil {
		t.Errorf("the Lease tells of a failover, and there was none: %+v", *last)
	}

	// It owes the promotion to its new number, and makes up for it before it hands over.
	w.eventually("it hands over", func() bool {
		_, err := w.pods[1].client.Switchover(w.ctx, instanceapi.SwitchoverRequest{To: "shop-2"})
		return err == nil
	})
	w.pods[2].becomes(instanceapi.StateRunning)
	w.pods[2].must("INSERT INTO notes VALUES ('third')")
	w.pods[1].becomes(instanceapi.StateStreaming)
	w.pods[1].reads(notes, "first second third")
	if last := w.record().LastFailover; last == nil || last.Cause != "Handover" || last.From != "shop-1" {
		t.Errorf("the Lease tells of the failover: %+v", last)
	}
}

// As of an etcd that was restored from a backup: a valid Lease, of another leader and an earlier term.
func TestALeaseThatWentBackIsWrittenAgainByWhoLeads(t *testing.T) {
	w := synchronous(t, 2)
	leases := env.api.kubernetes.CoordinationV1().Leases(w.namespace)
	backup, err := leases.Get(w.ctx, naming.Lease(clusterName), metav1.GetOptions{})
	w.check(err)
	w.eventually("it hands over", func() bool {
		_, err := w.pods[1].client.Switchover(w.ctx, instanceapi.SwitchoverRequest{To: "shop-2"})
		return err == nil
	})
	w.pods[2].becomes(instanceapi.StateRunning)
	w.pods[2].must("INSERT INTO notes VALUES ('second')")
	w.pods[1].becomes(instanceapi.StateStreaming)
	before, server := w.record(), w.pods[2].answers().Postgres.PID
	w.eventually("the backup is restored", func() bool {
		lease, err := leases.Get(w.ctx, naming.Lease(clusterName), metav1.GetOptions{})
		w.check(err)
		lease.Spec, lease.Annotations = backup.Spec, backup.Annotations
		_, err = leases.Update(w.ctx, lease, metav1.UpdateOptions{})
		return err == nil
	})
	w.eventually("the leader has written its record again", func() bool {
		record := w.record()
		return record.Holder == "shop-2" && record.Revision > before.Revision && record.Term > before.Term
	})
	w.pods[2].must("INSERT INTO notes VALUES ('third')")
	w.pods[1].reads(notes, "first second third")
	if status := w.pods[2].answers(); !status.Leader || status.Postgres.PID != server {
		t.Errorf("the leader, whose server was %d, says %+v", server, status)
	}
	if status := w.pods[1].answers(); status.Leader {
		t.Errorf("the former leader says %+v", status)
	}
}
