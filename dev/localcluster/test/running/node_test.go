//go:build cluster

package running

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/timonier-io/timonier/dev/localcluster/internal/cgroup"
	"github.com/timonier-io/timonier/dev/localcluster/test/testcluster"
)

// notReadyWithin is a little more than the 40 s that Kubernetes believes a silent node.
const notReadyWithin = 90 * time.Second

// The three tests below break one node each, at the same time: each has to wait until the cluster
// notices.

func TestAStoppedNodeHasNoProcessAndBecomesNotReadyAndStartsWithItsVolumes(t *testing.T) {
	t.Parallel()
	n := testcluster.NewNamespace(t)
	n.Claim("data", "local", "320Mi")
	n.Run(testcluster.Pod{Name: "writer", Node: "node-2", Claim: "data"})
	n.Sh("writer", "echo kept > /data/file && sync")

	testcluster.Localcluster(t, "node", "stop", "node-2")
	t.Cleanup(func() { testcluster.Localcluster(t, "node", "start", "node-2") })
	if pids := cgroup.Processes("node-2"); len(pids) > 0 {
		t.Errorf("processes of the stopped node are left: %v", pids)
	}
	if left := processesNaming(t, "node-2"); len(left) > 0 {
		t.Errorf("processes that name the stopped node are left: %v", left)
	}
	if answers("10.90.0.12:10250") {
		t.Error("the stopped node's kubelet still answers")
	}
	testcluster.NodeIs(t, notReadyWithin, "node-2", "Unknown", "False")

	testcluster.Localcluster(t, "node", "start", "node-2")
	testcluster.NodeIs(t, 30*time.Second, "node-2", "True")
	testcluster.Eventually(t, time.Minute, "the pod runs again with its volume", func() error {
		content, err := n.TrySh("writer", "cat /data/file")
		if err == nil && content != "kept" {
			err = fmt.Errorf("the file holds %q", content)
		}
		return err
	})
}

func TestAFrozenNodeDoesNothingAndGoesOnWhenThawed(t *testing.T) {
	t.Parallel()
	n := testcluster.NewNamespace(t)
	n.Run(testcluster.Pod{Name: "clock", Node: "node-3",
		Command: "i=0; while true; do i=$((i+1)); echo $i > /tmp/ticks; sleep 0.05; done"})
	ticks := containerFile(t, n, "clock", "/tmp/ticks")

	testcluster.Localcluster(t, "node", "freeze", "node-3")
	t.Cleanup(func() { testcluster.Localcluster(t, "node", "thaw", "node-3") })
	before := read(t, ticks)
	testcluster.NodeIs(t, notReadyWithin, "node-3", "Unknown")
	if after := read(t, ticks); after != before {
		t.Errorf("a process of the frozen node went on from %s to %s", before, after)
	}

	testcluster.Localcluster(t, "node", "thaw", "node-3")
	testcluster.NodeIs(t, 30*time.Second, "node-3", "True")
	testcluster.Eventually(t, 10*time.Second, "the process goes on", func() error {
		if read(t, ticks) == before {
			return fmt.Errorf("it is still at %s", before)
		}
		return nil
	})
}

func TestAnIsolatedNodeIsUnreachableWhileItsPodsRunOn(t *testing.T) {
	t.Parallel()
	n := testcluster.NewNamespace(t)
	n.Run(testcluster.Pod{Name: "clock", Node: "node-1",
		Command: "i=0; while true; do i=$((i+1)); echo $i > /tmp/ticks; sleep 0.05; done"})
	ticks := containerFile(t, n, "clock", "/tmp/ticks")

	testcluster.Localcluster(t, "node", "isolate", "node-1")
	t.Cleanup(func() { testcluster.Localcluster(t, "node", "rejoin", "node-1") })
	if answers("10.90.0.11:10250") {
		t.Error("the isolated node's kubelet still answers")
	}
	before := read(t, ticks)
	testcluster.NodeIs(t, notReadyWithin, "node-1", "Unknown")
	if read(t, ticks) == before {
		t.Error("the pod of the isolated node has stopped as well")
	}
	if !strings.Contains(testcluster.Localcluster(t, "status"), "ISOLATED") {
		t.Error("status does not show that the node is isolated")
	}

	testcluster.Localcluster(t, "node", "rejoin", "node-1")
	testcluster.NodeIs(t, 30*time.Second, "node-1", "True")
	testcluster.Eventually(t, 10*time.Second, "the kubelet answers", func() error {
		if !answers("10.90.0.11:10250") {
			return fmt.Errorf("it does not")
		}
		return nil
	})
}

func answers(address string) bool {
	connection, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	connection.Close()
	return true
}

// processesNaming lists processes with a node's name in their command line.
func processesNaming(t *testing.T, node string) []string {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		line := strings.ReplaceAll(string(data), "\x00", " ")
		// The command that started the node ended with the node's name, and so do those of this test.
		if err == nil && strings.Contains(line, "/"+node+"/") {
			found = append(found, line)
		}
	}
	return found
}

// containerFile is a file in a container as the host sees it, which works while the container's node
// does not answer.
func containerFile(t *testing.T, n testcluster.Namespace, pod, path string) string {
	t.Helper()
	var found string
	testcluster.Eventually(t, 10*time.Second, "the file "+path+" of pod "+pod+" is there", func() error {
		uid := n.Kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}")
		for _, pid := range cgroup.Processes() {
			cgroups, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
			file := fmt.Sprintf("/proc/%d/root%s", pid, path)
			if strings.Contains(string(cgroups), uid) {
				if _, err := os.Stat(file); err == nil {
					found = file
					return nil
				}
			}
		}
		return context.DeadlineExceeded
	})
	return found
}

// read returns a file's content. Its writer truncates it first, so an empty one is read again.
func read(t *testing.T, file string) string {
	t.Helper()
	var content string
	testcluster.Eventually(t, 5*time.Second, file+" can be read", func() error {
		data, err := os.ReadFile(file)
		content = strings.TrimSpace(string(data))
		if err == nil && content == "" {
			err = fmt.Errorf("it is empty")
		}
		return err
	})
	return content
}
