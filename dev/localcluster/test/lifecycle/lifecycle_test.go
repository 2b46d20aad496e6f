//go:build cluster

// Package lifecycle tests what comes before and after a cluster. Its tests take the machine's cluster
// down.
package lifecycle

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/timonier-io/timonier/dev/localcluster/internal/cgroup"
	"github.com/timonier-io/timonier/dev/localcluster/test/testcluster"
)

func TestNothingIsLeftAfterDown(t *testing.T) {
	before := machineWithoutCluster(t)
	testcluster.Localcluster(t, "up")

	// Everything that could hold `down` back is there: a volume in use that is stalled, and nodes with
	// each kind of fault.
	useCluster(t)
	testcluster.Localcluster(t, "volume", "stall", "writer")
	testcluster.Localcluster(t, "node", "freeze", "node-1")
	testcluster.Localcluster(t, "node", "isolate", "node-2")
	testcluster.Localcluster(t, "api", "freeze")
	testcluster.Localcluster(t, "down")
	mustBeClean(t, before)
}

// An `up` is killed after each of the steps it reports, so that every half-made state is tried.
func TestNothingIsLeftAfterAnUpThatWasKilledHalfWay(t *testing.T) {
	before := machineWithoutCluster(t)
	for steps := 1; steps <= 4; steps++ {
		killUpAfter(t, steps, 0)
		testcluster.Localcluster(t, "down")
		mustBeClean(t, before)
	}
	// And in the middle of the longest step, where nodes and servers start side by side.
	for _, wait := range []time.Duration{300 * time.Millisecond, time.Second, 2 * time.Second} {
		killUpAfter(t, 2, wait)
		testcluster.Localcluster(t, "down")
		mustBeClean(t, before)
	}
}

func TestAnUpThatWasKilledIsCompletedByTheNext(t *testing.T) {
	before := machineWithoutCluster(t)
	killUpAfter(t, 2, time.Second)
	testcluster.Localcluster(t, "up")
	useCluster(t)
	testcluster.Localcluster(t, "down")
	mustBeClean(t, before)
}

func TestUpHealsWhatFaultsAndAccidentsBroke(t *testing.T) {
	machineWithoutCluster(t)
	testcluster.Localcluster(t, "up")
	t.Cleanup(func() { testcluster.Localcluster(t, "down") })
	testcluster.Localcluster(t, "node", "stop", "node-1")
	testcluster.Localcluster(t, "node", "freeze", "node-2")
	testcluster.Localcluster(t, "node", "isolate", "node-3")
	testcluster.Localcluster(t, "api", "stop")
	testcluster.Localcluster(t, "up")
	for _, node := range []string{"node-1", "node-2", "node-3"} {
		testcluster.NodeIs(t, time.Minute, node, "True")
	}
	useCluster(t)
}

// It happens when whatever started them ends, a CI job or a login: bridge, cgroups and state stay, and no process.
func TestAClusterWhoseProcessesWereKilledFromOutsideComesBackWithItsVolumes(t *testing.T) {
	before := machineWithoutCluster(t)
	testcluster.Localcluster(t, "up")
	n := useCluster(t)
	n.Sh("writer", "echo kept > /data/file && sync")
	for pids := cgroup.Processes(); len(pids) > 0; pids = cgroup.Processes() {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // some are gone with their parent
		}
	}

	testcluster.Localcluster(t, "up")
	testcluster.Eventually(t, time.Minute, "the pod runs again with its volume", func() error {
		content, err := n.TrySh("writer", "cat /data/file")
		if err == nil && content != "kept" {
			err = errors.New("the file holds " + content)
		}
		return err
	})
	testcluster.Localcluster(t, "down")
	mustBeClean(t, before)
}

func TestASecondClusterIsRefusedAndSaysWhoseTheFirstIs(t *testing.T) {
	machineWithoutCluster(t)
	testcluster.Localcluster(t, "up", "--nodes", "1")
	t.Cleanup(func() { testcluster.Localcluster(t, "down") })
	for _, verb := range []string{"up", "down"} {
		out, err := exec.Command(testcluster.Bin("localcluster"), verb, "--dir", filepath.Join("/tmp", "another-"+filepath.Base(t.TempDir()))).CombinedOutput()
		if err == nil || !strings.Contains(string(out), testcluster.Dir()) {
			t.Errorf("%s of a second cluster: %v, it says:\n%s", verb, err, out)
		}
	}
	testcluster.NodeIs(t, time.Second, "node-1", "True")
}

// machineWithoutCluster takes down what runs and returns how the machine then is.
func machineWithoutCluster(t *testing.T) snapshot {
	t.Helper()
	testcluster.Localcluster(t, "down")
	// A module that was loaded stays, with its settings; no matter where it is part of the kernel.
	_ = exec.Command("modprobe", "nf_conntrack").Run()
	return takeSnapshot(t)
}

func mustBeClean(t *testing.T, before snapshot) {
	t.Helper()
	// The kernel takes namespaces down a moment after their last process.
	testcluster.Eventually(t, 10*time.Second, "nothing of the cluster is left", func() error {
		if left := before.leftovers(takeSnapshot(t)); len(left) > 0 {
			return errors.New("left behind:\n" + strings.Join(left, "\n"))
		}
		return nil
	})
	if _, err := os.Stat(filepath.Join(testcluster.Dir(), "cluster")); err == nil {
		t.Error("the cluster's state is left behind")
	}
}

// killUpAfter starts an `up` and kills it a while after it has reported so many steps.
func killUpAfter(t *testing.T, steps int, wait time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := testcluster.Command(ctx, "up")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for range steps {
		if !lines.Scan() {
			t.Fatalf("up ended before step %d: %s", steps, complaint.String())
		}
	}
	<-time.After(wait) // when it is killed is what is varied here
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
}

// useCluster runs a pod with a volume and a load balancer in the namespace default.
func useCluster(t *testing.T) testcluster.Namespace {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "test.tar")
	if err := testcluster.WriteImage(archive, testcluster.Image); err != nil {
		t.Fatal(err)
	}
	testcluster.Localcluster(t, "load", archive)
	n := testcluster.Default(t)
	n.Claim("writer", "standard", "320Mi")
	n.Apply(`{apiVersion: v1, kind: Service, metadata: {name: writer}, spec: {type: LoadBalancer, selector: {app: writer}, ports: [{name: http, port: 80}]}}`)
	n.Run(testcluster.Pod{Name: "writer", Claim: "writer"})
	return n
}
