//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/naming"
)

// A new PostgreSQL system is created once in the life of a cluster. Whatever is lost afterwards, none is put in
// the place of the one that holds the data.

// mustStayEmpty: no system is created on this instance's volume.
func (c *cluster) mustStayEmpty(instance string) {
	c.t.Helper()
	throughout(c.t, 15*time.Second, "nothing is created on the empty volume of "+instance, func() error {
		if out, err := c.shell(instance, "ls -d /var/lib/timonier/data/pgdata*"); err == nil {
			return fmt.Errorf("there is %s", out)
		}
		return nil
	})
}

func (c *cluster) waitRunning(instance string) {
	c.t.Helper()
	waitRunning(c.t, c.space, instance)
}

func TestALostVolumeOfASoleInstanceIsNotReplacedByAnEmptySystem(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("sole", instances(1))
	c.waitReady()
	system := c.mustGet().Status.SystemIdentifier

	c.loseVolume(c.instance(1))
	c.waitStalled(v1alpha1.ReasonDataMissing, c.instance(1))
	c.waitRunning(c.instance(1))
	c.mustStayEmpty(c.instance(1))
	if now := c.mustGet().Status.SystemIdentifier; now != system {
		t.Errorf("the recorded system is %q, and was %q", now, system)
	}
	if available := c.says(v1alpha1.ConditionAvailable, v1alpha1.ReasonWriting); available == nil {
		t.Error("it is said to take writes")
	}
}

func TestAnotherInstanceLeadsWhenTheVolumeOfThePrimaryIsLost(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("survived")
	c.waitReady()
	c.sql("CREATE TABLE precious AS SELECT 42 AS answer")
	primary, standbys := c.primary(), c.standbys()
	for _, standby := range standbys {
		c.mustStream(standby)
	}
	system, volumes := c.mustGet().Status.SystemIdentifier, c.volumes()

	w := c.underLoad()
	c.loseVolume(primary)
	c.waitReady()
	if now := c.primary(); now == primary {
		t.Errorf("%s leads, whose volume was lost", now)
	}
	c.mustStream(primary)
	w.finish(1)
	for _, standby := range standbys {
		answer, err := c.superuser(standby, naming.DefaultRole, "SELECT answer FROM precious")
		if err != nil || answer != "42" {
			t.Errorf("%s has lost the data: %q (%v)", standby, answer, err)
		}
		if now := c.volumes()[standby]; now != volumes[standby] {
			t.Errorf("the volume of %s was replaced", standby)
		}
	}
	if now := c.mustGet().Status.SystemIdentifier; now != system {
		t.Errorf("the recorded system is %q, and was %q", now, system)
	}
}

func TestAStandbyWhoseVolumeIsLostIsClonedAnew(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("cloned")
	c.waitReady()
	w := c.underLoad()
	victim := c.standbys()[0]
	c.loseVolume(victim)
	c.waitReady()
	c.mustStream(victim)
	w.finish(0)
}

func TestNothingIsCreatedWhenAllVolumesAreLost(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("bare", instances(2))
	c.waitReady()
	system := c.mustGet().Status.SystemIdentifier
	// At once: what is lost one after the other is cloned from those that are left.
	c.edit(instances(0))
	eventually(t, 2*time.Minute, "it hibernates", func() error {
		if pods := c.instancePods(); len(pods) > 0 {
			return fmt.Errorf("%d pods are left", len(pods))
		}
		return nil
	})
	for ordinal := 1; ordinal <= 2; ordinal++ {
		if err := kube.Delete(t.Context(), c.claim(c.instance(ordinal))); err != nil {
			t.Fatal(err)
		}
	}
	c.edit(instances(2))
	eventually(t, 2*time.Minute, "a condition says that the data is missing", func() error {
		return errors.Join(c.says(v1alpha1.ConditionStalled, v1alpha1.ReasonDataMissing))
	})
	for ordinal := 1; ordinal <= 2; ordinal++ {
		c.waitRunning(c.instance(ordinal))
		c.mustStayEmpty(c.instance(ordinal))
	}
	if now := c.mustGet().Status.SystemIdentifier; now != system {
		t.Errorf("the recorded system is %q, and was %q", now, system)
	}
}

func TestALeaseThatIsDeletedIsWrittenAgainByItsLeader(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("leased")
	c.waitReady()
	before := c.processes()
	leader, former := c.primary(), c.lease()
	w := c.underLoad()

	replacing.RLock() // it is the operator that makes the Lease
	defer replacing.RUnlock()
	if err := kube.Delete(t.Context(), former); err != nil {
		t.Fatal(err)
	}
	// Its going is an event: nobody waits for the next look, which is half a minute away.
	eventually(t, 20*time.Second, "the leader holds a Lease with a higher term", func() error {
		now := &coordinationv1.Lease{}
		if err := c.find(former.Name, now); err != nil {
			return err
		}
		if now.UID == former.UID {
			return errors.New("the former one is still there")
		}
		if now.Spec.HolderIdentity == nil || *now.Spec.HolderIdentity != leader {
			return fmt.Errorf("it is held by %v", now.Spec.HolderIdentity)
		}
		if now.Spec.LeaseTransitions == nil || *now.Spec.LeaseTransitions <= *former.Spec.LeaseTransitions {
			return fmt.Errorf("its term is %v, and was %v", now.Spec.LeaseTransitions, *former.Spec.LeaseTransitions)
		}
		if !metav1.IsControlledBy(now, c.mustGet()) {
			return errors.New("it does not belong to the cluster")
		}
		return nil
	})
	c.waitReady()
	w.finish(0)
	c.mustBeUntouched(before, names(before)...)
}

func (c *cluster) lease() *coordinationv1.Lease {
	c.t.Helper()
	lease := &coordinationv1.Lease{}
	c.mustFind(naming.Lease(c.name), lease)
	return lease
}

// bootstraps tells whether a Lease lets an instance create a PostgreSQL system.
func bootstraps(lease *coordinationv1.Lease) bool {
	record, err := election.Decode(election.Fields{Annotations: lease.Annotations})
	_, marked := record.Bootstraps()
	return err == nil && marked
}

// TestALeaseThatIsLostBeforeAnythingWasCreatedIsMarkedAgain deletes it while no node takes the first instance, so
// that its volume is there and empty.
func TestALeaseThatIsLostBeforeAnythingWasCreatedIsMarkedAgain(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	c := s.create("unborn", instances(2), func(s *spec) { s.Scheduling.NodeSelector = map[string]string{"e2e.timonier.io/none": "true"} })
	c.waitStalled(v1alpha1.ReasonUnschedulable, "spec.scheduling")
	claim := &corev1.PersistentVolumeClaim{}
	c.mustFind(naming.DataVolume(c.instance(1)), claim)
	former := c.lease()
	if !bootstraps(former) {
		t.Fatalf("the first Lease has no mark: %v", former.Annotations)
	}
	if err := kube.Delete(t.Context(), former); err != nil {
		t.Fatal(err)
	}
	eventually(t, saidWithin, "there is another Lease, without the mark", func() error {
		now := &coordinationv1.Lease{}
		if err := c.find(former.Name, now); err != nil {
			return err
		}
		if now.UID == former.UID {
			return errors.New("the former one is still there")
		}
		if bootstraps(now) {
			return fmt.Errorf("it has the mark: %v", now.Annotations)
		}
		return nil
	})
	c.edit(func(s *spec) { s.Scheduling.NodeSelector = nil })
	c.waitReady()
	c.underLoad().finish(0)
	if again := c.claim(c.instance(1)); again.UID != claim.UID {
		t.Error("the volume was replaced")
	}
}

// TestACrashWhileTheSystemIsCreatedLeavesOneThatWorks kills the first instance again and again while it is made.
func TestACrashWhileTheSystemIsCreatedLeavesOneThatWorks(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("shaken", instances(2))
	for round := range 4 {
		eventually(t, readyWithin, fmt.Sprintf("instance 1 runs, to be killed for the %d. time", round+1), func() error {
			pod := &corev1.Pod{}
			if err := c.find(c.instance(1), pod); err != nil {
				return err
			}
			if len(pod.Status.ContainerStatuses) == 0 || pod.Status.ContainerStatuses[0].State.Running == nil || !pod.DeletionTimestamp.IsZero() {
				return errors.New("it does not run")
			}
			// Each time a little later: before initdb, in it, after it, before the Lease is written.
			time.Sleep(time.Duration(round) * 700 * time.Millisecond) // the moment of the crash is what is varied
			return client.IgnoreNotFound(kube.Delete(t.Context(), pod, client.GracePeriodSeconds(0)))
		})
	}
	c.waitReady()
	system := c.mustGet().Status.SystemIdentifier
	for _, pod := range c.instancePods() {
		if found := c.mustSuperuser(pod.Name, "postgres", "SELECT system_identifier FROM pg_control_system()"); found != system {
			t.Errorf("%s has the system %s, and the status tells of %s", pod.Name, found, system)
		}
	}
	c.underLoad().finish(0)
}
