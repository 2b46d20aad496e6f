//go:build cluster

package running

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/timonier-io/timonier/dev/localcluster/test/testcluster"
)

func TestAStalledVolumeHangsFsyncUntilItIsReleased(t *testing.T) {
	n := testcluster.NewNamespace(t)
	n.Claim("data", "standard", "320Mi")
	n.Run(testcluster.Pod{Name: "writer", Claim: "data"})
	const write = "dd if=/dev/zero of=/data/file bs=4k count=1 conv=fsync"
	n.Sh("writer", write)

	claim := n.Name + "/data"
	testcluster.Localcluster(t, "volume", "stall", claim)
	t.Cleanup(func() { testcluster.Localcluster(t, "volume", "release", claim) })
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if out, err := testcluster.TryKubectl(ctx, "", "-n", n.Name, "exec", "writer", "--", "sh", "-c", write); err == nil || ctx.Err() == nil {
		t.Errorf("a write to the stalled volume did not hang: %s, %v", out, err)
	}
	if status := testcluster.Localcluster(t, "status"); !strings.Contains(status, "STALLED") {
		t.Errorf("status does not show the stalled volume:\n%s", status)
	}

	testcluster.Localcluster(t, "volume", "release", claim)
	n.Sh("writer", write)
}

func TestAStalledVolumeDoesNotKeepItsNodeFromBeingStopped(t *testing.T) {
	n := testcluster.NewNamespace(t)
	n.Claim("data", "local", "320Mi")
	n.Run(testcluster.Pod{Name: "writer", Node: "node-3", Claim: "data", Command: "while true; do echo x >> /data/file; sync; done"})
	testcluster.Localcluster(t, "volume", "stall", n.Name+"/data")
	t.Cleanup(func() { testcluster.Localcluster(t, "node", "start", "node-3") })
	testcluster.Localcluster(t, "node", "stop", "node-3")
	testcluster.Localcluster(t, "node", "start", "node-3")
	testcluster.Eventually(t, time.Minute, "the pod writes again", func() error {
		_, err := n.TrySh("writer", "touch /data/again")
		return err
	})
}

func TestAFilledVolumeRefusesWritesUntilItIsDrainedOrGrown(t *testing.T) {
	n := testcluster.NewNamespace(t)
	n.Claim("data", "standard", "400Mi")
	n.Run(testcluster.Pod{Name: "writer", Claim: "data"})
	const write = "dd if=/dev/zero of=/data/file bs=1M count=20"
	claim := n.Name + "/data"

	testcluster.Localcluster(t, "volume", "fill", claim)
	mustBeFull(t, n, write)
	if status := testcluster.Localcluster(t, "status"); !strings.Contains(status, "FILLED") {
		t.Errorf("status does not show the filled volume:\n%s", status)
	}
	testcluster.Localcluster(t, "volume", "drain", claim)
	n.Sh("writer", write)
	n.Sh("writer", "rm /data/file")

	testcluster.Localcluster(t, "volume", "fill", claim)
	mustBeFull(t, n, write)
	n.Kubectl("patch", "pvc", "data", "-p", `{"spec":{"resources":{"requests":{"storage":"600Mi"}}}}`)
	testcluster.Eventually(t, time.Minute, "a full volume that grows takes writes", func() error {
		_, err := n.TrySh("writer", write)
		return err
	})
}

func TestAFaultOfAVolumeThatIsNotInUseSaysWhatToDo(t *testing.T) {
	n := testcluster.NewNamespace(t)
	n.Claim("idle", "standard", "320Mi")
	for claim, want := range map[string]string{
		n.Name + "/idle": "has no volume yet",
		n.Name + "/none": "not found",
	} {
		out, err := testcluster.Command(t.Context(), "volume", "fill", claim).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("filling %s: got %q and %v, want it to say %q", claim, out, err, want)
		}
	}
}

func mustBeFull(t *testing.T, n testcluster.Namespace, write string) {
	t.Helper()
	if _, err := n.TrySh("writer", write); err == nil || !strings.Contains(fmt.Sprint(err), "No space left") {
		t.Fatalf("a write to the filled volume ended with %v", err)
	}
}
