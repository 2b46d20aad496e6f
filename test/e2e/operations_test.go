//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/cli"
	"github.com/timonier-io/timonier/internal/election"
)

// shortly is how long writes may be away for a handover, on a machine that does much else.
const shortly = 15 * time.Second

func TestOperationsAreDoneWhileApplicationsWrite(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("operated")
	c.waitReady()
	first, standbys := c.primary(), c.standbys()
	c.mustShow(0, "3/3 instances ready", first+", in term 1", "are on 2 of 3 members", "Next: nothing to do")
	c.mustSuggest(standbys, "switchover", c.name, "--to", "")
	w := c.underLoad()

	c.mustDo("switchover", "--to", standbys[0])
	if now := c.primary(); now != standbys[0] {
		t.Errorf("%s leads, not %s", now, standbys[0])
	}
	c.waitReady()
	c.mustShow(0, standbys[0]+", in term 2", "from "+first+" to "+standbys[0]+": "+election.CauseHandover, "clients were let in after", "Succeeded")

	w.goesOn() // two interruptions in a row would be one

	c.mustDo("switchover")
	if now := c.primary(); now == standbys[0] {
		t.Errorf("%s leads still", now)
	}
	c.waitReady()

	before, primary, restarted, cloned := c.processes(), c.primary(), c.standbys()[0], c.standbys()[1]
	c.mustDo("restart", restarted)
	c.waitReady()
	c.mustBeRestarted(before, restarted)
	c.mustBeUntouched(before, primary, cloned)

	volume := c.claim(cloned).UID
	c.mustDo("reinit", cloned)
	if c.claim(cloned).UID != volume {
		t.Errorf("%s has another volume", cloned)
	}
	c.mustStream(cloned)
	c.mustBeUntouched(before, primary)
	c.waitReady()
	w.finish(2)
	w.mustHaveBeenShort(2)

	before, w = c.processes(), c.underLoad()
	c.mustDo("restart")
	c.waitReady()
	c.mustBeRestarted(before, names(before)...)
	w.finish(1)
	w.mustHaveBeenShort(1)
}

// mustBeRestarted: PostgreSQL of these, and not their containers.
func (c *cluster) mustBeRestarted(before map[string]process, names ...string) {
	c.t.Helper()
	for _, name := range names {
		if c.process(name).postmaster == before[name].postmaster {
			c.t.Errorf("PostgreSQL of %s was not restarted", name)
		}
	}
	c.mustKeepContainers(before, names...)
}

// mustHaveBeenShort: each of the interruptions that were expected.
func (w *writer) mustHaveBeenShort(expected int) {
	w.cluster.t.Helper()
	found := w.interruptions()
	if len(found) != expected {
		w.cluster.t.Errorf("there were %d interruptions, not %d: %v", len(found), expected, found)
	}
	for _, outage := range found {
		if outage.to.Sub(outage.from) > shortly {
			w.cluster.t.Errorf("an interruption was longer than %s: %v", shortly, outage)
		}
	}
}

// TestADrainOfThePrimarysNodeHandsOverFirst asks for the end of the primary's pod by the API that `kubectl drain` uses.
func TestADrainOfThePrimarysNodeHandsOverFirst(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("drained")
	c.waitReady()
	former := c.primary()
	w := c.underLoad()
	c.evict(former)
	c.waitReady()
	switch last := c.mustGet().Status.Availability.LastFailover; {
	case last == nil:
		t.Error("no failover is told of")
	case last.Cause != election.CauseHandover || last.From != former || last.To != c.primary():
		t.Errorf("it was not handed over: %+v", *last)
	}
	c.mustStream(former)
	w.finish(1)
	w.mustHaveBeenShort(1)
}

func TestWhatCannotBeDoneSafelyIsRefusedAndTheClusterServes(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("refusing")
	c.waitReady()
	primary, standbys := c.primary(), c.standbys()
	before := c.processes()
	w := c.underLoad()

	if said, code := c.timonierOf("switchover", "absent"); code != cli.CodeRefused || !strings.Contains(said, v1alpha1.ReasonUnknownCluster) {
		t.Errorf("a cluster that there is not: %d: %s", code, said)
	}
	if said, code := c.timonierOf("status", "absent"); code != cli.CodeError || !strings.Contains(said, "there is no PostgresCluster absent") {
		t.Errorf("a cluster that there is not: %d: %s", code, said)
	}
	c.mustRefuse(v1alpha1.ReasonUnknownInstance, []string{"nobody", primary}, "switchover", "--to", "nobody")
	c.mustRefuse(v1alpha1.ReasonUnknownInstance, []string{"nobody", primary}, "reinit", "nobody")
	c.mustRefuse(v1alpha1.ReasonAlreadyPrimary, []string{primary}, "switchover", "--to", primary)
	c.mustRefuse(v1alpha1.ReasonNotStandby, []string{primary}, "reinit", primary)
	asked := len(c.operations())
	sentence := c.mustBeAskedToAccept(standbys[0])
	if now := len(c.operations()); now != asked {
		t.Error("an operation was made although the loss was not accepted")
	}
	c.mustRefuse(v1alpha1.ReasonLeaderReachable, []string{primary}, "force-promotion", standbys[0], "--accept-data-loss", sentence)

	// A standby that receives nothing is no member after a while: it may lack what was acknowledged.
	deaf := standbys[0]
	thaw := c.freezeReceiver(deaf)
	eventually(t, saidWithin, deaf+" is no member any more", func() error {
		if members := c.mustGet().Status.Availability.Quorum.Members; slices.Contains(members, deaf) {
			return fmt.Errorf("the members are %v", members)
		}
		return nil
	})
	c.mustRefuse(v1alpha1.ReasonNotMember, []string{deaf}, "switchover", "--to", deaf)
	c.mustRefuse(v1alpha1.ReasonNotSafe, []string{deaf}, "restart", standbys[1])
	c.mustRefuse(v1alpha1.ReasonNotSafe, []string{standbys[1]}, "reinit", standbys[1])
	thaw()
	eventually(t, saidWithin, deaf+" is a member again", func() error {
		if members := c.mustGet().Status.Availability.Quorum.Members; !slices.Contains(members, deaf) {
			return fmt.Errorf("the members are %v", members)
		}
		return nil
	})
	c.waitReady()
	c.mustBeUntouched(before, primary, standbys[1])

	// A Lease that somebody writes into is ignored, and written again by the leader.
	c.mustOverwriteLease("timonier.io/quorum", `{"mode":"Quorum","members":{"x":"nobody"},"required":1}`)
	c.mustOverwriteLease("timonier.io/holder-incarnation", "somebody-else")
	w.finish(0)
	c.mustBeUntouched(before, primary, standbys[1])
	if now := c.primary(); now != primary {
		t.Errorf("%s leads, not %s", now, primary)
	}

	// Of two operations the second is refused, not queued.
	if said, code := c.timonier("restart", "--wait=false"); code != 0 {
		t.Fatalf("a restart is not begun: %s", said)
	}
	c.mustRefuse(v1alpha1.ReasonOperationRunning, []string{c.name + "-restart-"}, "switchover")
	eventually(t, readyWithin, "the first one is done", func() error {
		for _, operation := range c.operations() {
			if operation.Status.FinishedAt == nil {
				return fmt.Errorf("%s: %s", operation.Name, operation.Status.Summary.Message)
			}
		}
		return nil
	})
	c.waitReady()
	c.mustBeRestarted(before, names(before)...)

	c.edit(instances(0))
	eventually(t, 2*time.Minute, "it hibernates", func() error {
		if pods := c.instancePods(); len(pods) > 0 {
			return fmt.Errorf("%d pods are left", len(pods))
		}
		return nil
	})
	c.mustRefuse(v1alpha1.ReasonHibernated, []string{"instances"}, "restart")
	c.mustShow(0, "hibernated", "0/0")
}

// mustBeAskedToAccept the loss that a forced promotion may bring, with the sentence to write, which is returned.
func (c *cluster) mustBeAskedToAccept(instance string) string {
	c.t.Helper()
	said, code := c.timonier("force-promotion", instance)
	sentence := fmt.Sprintf("I accept that promoting %s loses what %s acknowledged and it has not received", instance, c.name)
	if code != cli.CodeRefused || !strings.Contains(said, `--accept-data-loss "`+sentence+`"`) {
		c.t.Errorf("without the sentence it ended with %d: %s", code, said)
	}
	return sentence
}

// freezeReceiver stops what receives WAL in a standby, without that it notices; until thaw lets it go on.
func (c *cluster) freezeReceiver(standby string) (thaw func()) {
	c.t.Helper()
	signal := func(name string) {
		const receiver = "SELECT pid FROM pg_stat_wal_receiver"
		if out, err := c.shell(standby, "kill -"+name+" $(psql -h "+socket+" -U postgres -d postgres -XAtc '"+receiver+"')"); err != nil {
			c.t.Fatalf("sending %s to the receiver of %s: %v %s", name, standby, err, out)
		}
	}
	signal("STOP")
	return func() { signal("CONT") }
}

// mustOverwriteLease writes a value into the Lease as a person might, and waits until the leader has written its own again.
func (c *cluster) mustOverwriteLease(annotation, value string) {
	c.t.Helper()
	lease := c.lease()
	holder, term := *lease.Spec.HolderIdentity, *lease.Spec.LeaseTransitions
	if _, known := lease.Annotations[annotation]; !known {
		c.t.Fatalf("there is no annotation %s: %v", annotation, lease.Annotations)
	}
	changed := lease.DeepCopy()
	changed.Annotations[annotation] = value
	if err := kube.Patch(c.t.Context(), changed, client.MergeFrom(lease)); err != nil {
		c.t.Fatal(err)
	}
	eventually(c.t, 30*time.Second, holder+" has written its own "+annotation+" again", func() error {
		now := c.lease()
		switch {
		case now.Annotations[annotation] == value:
			return errors.New("what was written by hand is still there")
		case *now.Spec.HolderIdentity != holder || *now.Spec.LeaseTransitions < term:
			return fmt.Errorf("%s holds it in term %d", *now.Spec.HolderIdentity, *now.Spec.LeaseTransitions)
		}
		return nil
	})
}
