//go:build cluster

package running

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/timonier-io/timonier/dev/localcluster/test/testcluster"
)

func TestAVolumeOfTheDefaultClassIsProvisionedEnforcedAndGrownWhileInUse(t *testing.T) {
	n := testcluster.NewNamespace(t)
	n.Apply(`{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 400Mi}}}}`)
	began := time.Now()
	n.Run(testcluster.Pod{Name: "writer", Claim: "data"})
	t.Logf("from the claim to the running pod: %.1f s", time.Since(began).Seconds())

	if size := freeMiB(t, n); size < 250 || size > 400 {
		t.Fatalf("a volume of 400 MiB offers %d MiB", size)
	}
	if out, err := n.TrySh("writer", "dd if=/dev/zero of=/data/a bs=1M count=500"); err == nil || !strings.Contains(fmt.Sprint(err), "No space left") {
		t.Fatalf("500 MiB went into a volume of 400: %s, %v", out, err)
	}
	n.Sh("writer", "rm /data/a")

	began = time.Now()
	n.Kubectl("patch", "pvc", "data", "-p", `{"spec":{"resources":{"requests":{"storage":"800Mi"}}}}`)
	testcluster.Eventually(t, time.Minute, "the claim has grown", func() error {
		if size := n.Kubectl("get", "pvc", "data", "-o", "jsonpath={.status.capacity.storage}"); size != "800Mi" {
			return fmt.Errorf("its capacity is %s", size)
		}
		return nil
	})
	t.Logf("growing took %.1f s", time.Since(began).Seconds())
	n.Sh("writer", "dd if=/dev/zero of=/data/a bs=1M count=500")
	if conditions := n.Kubectl("get", "pvc", "data", "-o", "jsonpath={.status.conditions}"); conditions != "" {
		t.Errorf("the claim is still said to be resized: %s", conditions)
	}
}

func TestAVolumeIsGoneWithItsClaim(t *testing.T) {
	n := testcluster.NewNamespace(t)
	n.Claim("data", "standard", "320Mi")
	n.Run(testcluster.Pod{Name: "writer", Claim: "data"})
	volume := n.Kubectl("get", "pvc", "data", "-o", "jsonpath={.spec.volumeName}")
	n.Kubectl("delete", "pod/writer", "pvc/data")
	testcluster.Eventually(t, 30*time.Second, "the volume is deleted", func() error {
		out, err := testcluster.TryKubectl(t.Context(), "", "get", "pv", volume, "--ignore-not-found", "-o", "name")
		if err == nil && out != "" {
			err = fmt.Errorf("%s is still there", out)
		}
		return err
	})
}

func TestAStandardVolumeIsUsedByOneNodeAtATimeAndMoves(t *testing.T) {
	n := testcluster.NewNamespace(t)
	n.Claim("data", "standard", "320Mi")
	n.Run(testcluster.Pod{Name: "first", Node: "node-1", Claim: "data"})
	n.Sh("first", "echo kept > /data/file && sync")

	n.Start(testcluster.Pod{Name: "second", Node: "node-2", Claim: "data"})
	testcluster.Eventually(t, 30*time.Second, "the second node is refused", func() error {
		events, err := n.Try("get", "events", "--field-selector", "involvedObject.name=second", "-o", "jsonpath={.items[*].message}")
		if err == nil && !strings.Contains(events, "is mounted on another node") {
			err = fmt.Errorf("the events of the second pod say: %s", events)
		}
		return err
	})
	n.Kubectl("delete", "pod", "first")
	n.Running("second")
	if content := n.Sh("second", "cat /data/file"); content != "kept" {
		t.Errorf("on the second node the file holds %q", content)
	}
}

func TestALocalVolumeKeepsItsPodsOnItsNode(t *testing.T) {
	n := testcluster.NewNamespace(t)
	n.Claim("data", "local", "320Mi")
	n.Run(testcluster.Pod{Name: "first", Node: "node-3", Claim: "data"})
	n.Kubectl("delete", "pod", "first")

	n.Start(testcluster.Pod{Name: "elsewhere", Node: "node-1", Claim: "data"})
	n.Run(testcluster.Pod{Name: "anywhere", Claim: "data"})
	if node := n.Kubectl("get", "pod", "anywhere", "-o", "jsonpath={.spec.nodeName}"); node != "node-3" {
		t.Errorf("the pod was placed on %s, its volume is on node-3", node)
	}
	if node := n.Kubectl("get", "pod", "elsewhere", "-o", "jsonpath={.spec.nodeName}"); node != "" {
		t.Errorf("a pod bound to another node was placed on %s", node)
	}
}

// freeMiB is what the volume of the pod "writer" offers.
func freeMiB(t *testing.T, n testcluster.Namespace) int {
	t.Helper()
	lines := strings.Split(n.Sh("writer", "df -m /data"), "\n")
	fields := strings.Fields(lines[len(lines)-1])
	free, err := strconv.Atoi(fields[len(fields)-3])
	if err != nil {
		t.Fatalf("reading %q: %v", lines, err)
	}
	return free
}
