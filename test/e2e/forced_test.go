//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/cli"
	"github.com/timonier-io/timonier/internal/postgres"
)

// TestAPersonMayHaveTheLastCopyLead loses two of three volumes at once, the primary's among them: nobody can prove any more that the
// third one has all that was acknowledged.
func TestAPersonMayHaveTheLastCopyLead(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("forced")
	c.waitReady()
	w := c.underLoad()
	primary, lost, last := c.primary(), c.standbys()[0], c.standbys()[1]
	w.finish(0)
	c.mustStream(last)
	term := *c.lease().Spec.LeaseTransitions
	c.mustShow(0, "are on 2 of 3 members") // of two, the last one could lead at once

	c.loseAtOnce(lost, primary) // in this order: the other way round the standby might lead at once
	c.mustShow(cli.CodeFailed, "!!", v1alpha1.ReasonNoPrimary, v1alpha1.ReasonDataMissing, "docs/runbooks/")
	c.mustRefuse(v1alpha1.ReasonNoPrimary, nil, "switchover", "--to", last)
	sentence := c.mustBeAskedToAccept(last)
	c.mustDo("force-promotion", last, "--accept-data-loss", sentence)
	if now := c.primary(); now != last {
		t.Errorf("%s leads, not %s", now, last)
	}
	w.mustBeComplete()
	c.mustTellOfTheLoss(int64(term))

	c.waitReady()
	w = c.underLoad()
	for _, name := range []string{primary, lost} {
		c.mustStream(name)
	}
	c.mustShow(0, last+", in term", "Forced", "are on 2 of 3 members")
	w.finish(0)
}

// mustTellOfTheLoss: the operation's status holds how far the promoted copy came, and how far the former primary said that it was.
func (c *cluster) mustTellOfTheLoss(term int64) {
	c.t.Helper()
	all := c.operations()
	at := slices.IndexFunc(all, func(o v1alpha1.PostgresOperation) bool {
		return o.Spec.Type == v1alpha1.OperationForcePromotion && o.Status.Summary.State == "Succeeded"
	})
	if at < 0 || all[at].Status.Promotion == nil {
		c.t.Fatalf("no forced promotion tells of its loss: %+v", all)
	}
	told := all[at].Status.Promotion
	position, err := postgres.ParseLSN(told.Position)
	if err != nil || position == 0 || told.Term != term {
		c.t.Errorf("the promoted copy's position is %q of term %d: %v", told.Position, told.Term, err)
	}
	leader, err := postgres.ParseLSN(told.LeaderPosition)
	if err != nil || leader == 0 || told.LeaderTerm != term {
		c.t.Errorf("the former primary's position is %q of term %d: %v", told.LeaderPosition, told.LeaderTerm, err)
	}
	if from := all[at].Status.From; from == nil || from.Term != term {
		c.t.Errorf("it began after %+v", from)
	}
}

// loseAtOnce the volumes of instances, and the instances with them, in this order, so that none of them can do anything about it any more.
func (c *cluster) loseAtOnce(instances ...string) {
	c.t.Helper()
	for _, name := range instances {
		if err := kube.Delete(c.t.Context(), c.claim(name)); err != nil {
			c.t.Fatal(err)
		}
	}
	var pods []*corev1.Pod
	for _, name := range instances {
		pods = append(pods, c.pod(name))
	}
	for _, pod := range pods {
		if err := kill(pod); err != nil {
			c.t.Errorf("killing %s: %v", pod.Name, err)
		}
	}
	// Before the kubelet starts them again.
	for _, pod := range pods {
		if err := kube.Delete(c.t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
			c.t.Errorf("deleting pod %s: %v", pod.Name, err)
		}
	}
}

// kill the instance manager of a pod from this machine, whose kernel runs all nodes; the kernel ends the rest of the container.
func kill(pod *corev1.Pod) error {
	cgroups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return err
	}
	for _, file := range cgroups {
		content, err := os.ReadFile(file)
		if err != nil || (!strings.Contains(string(content), string(pod.UID)) && !strings.Contains(string(content), strings.ReplaceAll(string(pod.UID), "-", "_"))) {
			continue
		}
		process := filepath.Dir(file)
		status, err := os.ReadFile(filepath.Join(process, "status"))
		if err != nil || !strings.HasPrefix(string(status), "Name:\ttimonier-inst") || !strings.Contains(string(status), "\t1\n") {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(process), "%d", &pid); err != nil {
			return err
		}
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	return fmt.Errorf("the instance manager of %s does not run", pod.Name)
}
