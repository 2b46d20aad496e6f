//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

func TestAClusterGoesOnWhileTheOperatorIsRestarted(t *testing.T) {
	c := newSpace(t).create("steady")
	c.waitReady()
	before := c.processes()
	w := c.underLoad()

	restartOperator(t)
	// It works again: it does what is asked of it now.
	c.edit(func(s *spec) { s.Team = "after" })
	eventually(t, saidWithin, "the new operator labels pods anew", func() error {
		for _, pod := range c.instancePods() {
			if pod.Labels[naming.LabelTeam] != "after" {
				return fmt.Errorf("pod %s is of team %s", pod.Name, pod.Labels[naming.LabelTeam])
			}
		}
		return nil
	})
	c.waitReady()
	w.finish(0)
	c.mustBeUntouched(before, names(before)...)
}

// restartOperator deletes its pod and waits until another one is ready.
func restartOperator(t *testing.T) {
	t.Helper()
	kubectl(t, "-n", operatorNamespace, "delete", "pods", "-l", "app.kubernetes.io/name="+operatorName, "--wait=true")
	kubectl(t, "-n", operatorNamespace, "rollout", "status", "deployment/"+operatorName, "--timeout=120s")
}

func TestInstancesComeBackWithTheirDataWhenTheirPodsAreDeleted(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("restarted")
	c.waitReady()
	before := c.processes()
	primary, standby := c.primary(), c.standbys()[0]
	volume := c.claim(standby).UID

	w := c.underLoad()
	c.deletePod(standby)
	c.waitReady()
	c.mustStream(standby)
	if c.claim(standby).UID != volume {
		t.Errorf("%s has another volume", standby)
	}
	c.mustBeUntouched(before, primary, c.standbys()[1])
	w.finish(0)

	w = c.underLoad()
	c.deletePod(primary)
	c.waitReady()
	if now := c.primary(); now == primary {
		t.Errorf("%s still leads; it was to hand over before it ended", now)
	}
	for _, name := range c.standbys() {
		c.mustStream(name)
	}
	w.finish(1)
}

// mustStream waits until the primary sends WAL to a standby, which has replayed what was there at the beginning.
func (c *cluster) mustStream(standby string) {
	c.t.Helper()
	position := c.mustSuperuser(c.primary(), "postgres", "SELECT pg_current_wal_flush_lsn()")
	eventually(c.t, saidWithin, standby+" has replayed what the primary has written", func() error {
		out, err := c.superuser(standby, "postgres", fmt.Sprintf(
			"SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= '%s' AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')", position))
		if err == nil && out != "t" {
			err = errors.New("it has not")
		}
		return err
	})
}

func TestAPostmasterThatIsKilledIsStartedAgainWithoutItsPod(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("killed")
	c.waitReady()
	w := c.underLoad()
	for _, victim := range []string{c.standbys()[0], c.primary()} {
		before := c.process(victim)
		pod := c.pod(victim)
		if out, err := c.shell(victim, "kill -9 $(head -n 1 /var/lib/timonier/data/pgdata/postmaster.pid)"); err != nil {
			t.Fatalf("killing the postmaster of %s: %v %s", victim, err, out)
		}
		eventually(t, readyWithin, "another postmaster serves "+victim, func() error {
			identity, err := c.superuser(victim, "postgres", postmasterIdentity)
			if err == nil && identity == before.postmaster {
				err = errors.New("the former one still serves")
			}
			return err
		})
		c.waitReady()
		if victim != c.primary() {
			c.mustStream(victim)
		}
		// Not by its server: a former primary may be stopped once more, to be rewound.
		if after := c.pod(victim); after.UID != pod.UID || restarts(after) != before.restarts {
			t.Errorf("the container of %s was restarted, where restarting postgres was enough", victim)
		}
	}
	for _, standby := range c.standbys() {
		c.mustStream(standby)
	}
	w.finish(1)
}

// TestANodeThatStopsAndStartsBringsItsInstancesBack stops a primary's node, as a power cut. Another cluster has an
// instance there whose volume is bound to the node.
func TestANodeThatStopsAndStartsBringsItsInstancesBack(t *testing.T) {
	s := newSpace(t)
	apart := func(s *spec) { s.Scheduling.AntiAffinity.Type = v1alpha1.AntiAffinityRequired }
	shared, bound := s.create("shared", apart), s.create("bound", onClass("local"), apart)
	shared.waitReady()
	bound.waitReady()
	node := shared.pod(shared.primary()).Spec.NodeName
	lost := bound.instanceOn(node)
	before, led := bound.processes(), bound.primary()
	volume := bound.claim(lost)
	keepOperatorOff(t, node)
	writers := []*writer{shared.underLoad(), bound.underLoad()}

	localcluster(t, "node", "stop", node)
	t.Cleanup(func() {
		if _, err := run(context.Background(), program("localcluster"), "node", "start", node); err != nil {
			t.Error(err)
		}
	})
	eventually(t, 3*time.Minute, "a condition says that the node is lost, and what a person can do", func() error {
		return bound.says(v1alpha1.ConditionDegraded, v1alpha1.ReasonNodeLost, lost, node, "delete the volume claim", "Nothing is discarded")
	})
	if now := shared.pod(shared.primary()).Spec.NodeName; now == node {
		t.Error("nobody took over from the primary on the node that stopped")
	}
	if now := bound.claim(lost); now.UID != volume.UID || now.Spec.VolumeName != volume.Spec.VolumeName {
		t.Errorf("the volume of %s was replaced", lost)
	}

	localcluster(t, "node", "start", node)
	for i, c := range []*cluster{shared, bound} {
		c.waitReady()
		for _, standby := range c.standbys() {
			c.mustStream(standby)
		}
		writers[i].finish(1)
	}
	others := slices.DeleteFunc(names(before), func(name string) bool { return name == lost })
	if lost == led {
		// Whoever votes or follows another leader restarts PostgreSQL for it.
		bound.mustKeepContainers(before, others...)
	} else {
		bound.mustBeUntouched(before, others...)
	}
}

// keepOperatorOff a node that is about to stop: Kubernetes takes five minutes to start its pod elsewhere, and it is
// to tell of what happens.
func keepOperatorOff(t *testing.T, node string) {
	t.Helper()
	if operatorPod(t).Spec.NodeName != node {
		return
	}
	kubectl(t, "cordon", node)
	defer kubectl(t, "uncordon", node)
	restartOperator(t)
}

// instanceOn a node.
func (c *cluster) instanceOn(node string) string {
	c.t.Helper()
	var pods corev1.PodList
	if err := kube.List(c.t.Context(), &pods, client.InNamespace(c.space.name), client.MatchingLabels{naming.LabelCluster: c.name}); err != nil {
		c.t.Fatal(err)
	}
	for _, pod := range pods.Items {
		if pod.Spec.NodeName == node {
			return pod.Name
		}
	}
	c.t.Fatalf("no instance of %s is on %s", c.name, node)
	return ""
}
