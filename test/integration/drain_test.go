//go:build integration

package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/internal/naming"
)

// budgetsCount starts Kubernetes' own controller of disruption budgets.
func budgetsCount(t *testing.T) {
	t.Helper()
	program := filepath.Join(root, ".local", "bin", "kube-controller-manager")
	process := exec.Command(program, "--kubeconfig="+kubeconfigFile(t), "--controllers=disruption-controller", //nolint:gosec // built by this repository
		"--leader-elect=false", "--secure-port=0", "--use-service-account-credentials=false")
	process.Stderr = os.Stderr
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait() // it was killed
	})
}

// evicted is what a drain does with a pod.
func evicted(t *testing.T, c client.Client, name string) error {
	t.Helper()
	return c.SubResource("eviction").Create(t.Context(), exists[corev1.Pod](t, c, name), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop"}})
}

// seen has Kubernetes hold a pod for ready.
func seen(t *testing.T, c client.Client, name string) {
	t.Helper()
	pod := exists[corev1.Pod](t, c, name)
	ready := pod.DeepCopy()
	ready.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if err := c.Status().Patch(t.Context(), ready, client.MergeFrom(pod)); err != nil {
		t.Fatal(err)
	}
}

// kubelet is a finalizer in the place of one: without it a pod of no node is gone at once, and one that is made again under its name before the disruption
// controller has looked counts as about to end for two minutes.
const kubelet = "timonier.io/kubelet"

func takesTimeToEnd(t *testing.T, c client.Client, name string) {
	t.Helper()
	pod := exists[corev1.Pod](t, c, name)
	ending := pod.DeepCopy()
	ending.Finalizers = append(ending.Finalizers, kubelet)
	if err := c.Patch(t.Context(), ending, client.MergeFrom(pod)); err != nil {
		t.Fatal(err)
	}
}

func hasEnded(t *testing.T, c client.Client, name string) {
	t.Helper()
	pod := exists[corev1.Pod](t, c, name)
	ended := pod.DeepCopy()
	ended.Finalizers = slices.DeleteFunc(ended.Finalizers, func(finalizer string) bool { return finalizer == kubelet })
	if err := c.Patch(t.Context(), ended, client.MergeFrom(pod)); err != nil {
		t.Fatal(err)
	}
}

func TestADrainTakesThePrimaryAndNobodyElseBesideIt(t *testing.T) {
	c := operatorRuns(t)
	trioOf(t, c, "drain", 93)
	for _, name := range []string{"drain-1", "drain-2", "drain-3"} {
		seen(t, c, name)
	}
	budgetsCount(t)
	eventuallyWithin(t, patience, "one may go", func() bool {
		return exists[policyv1.PodDisruptionBudget](t, c, naming.DisruptionBudget("drain")).Status.DisruptionsAllowed == 1
	})
	takesTimeToEnd(t, c, "drain-1")
	primary := exists[corev1.Pod](t, c, "drain-1")
	if err := evicted(t, c, "drain-1"); err != nil {
		t.Fatalf("the primary cannot be drained: %v", err)
	}
	eventually(t, "the budget has seen it end", func() bool {
		_, disrupted := exists[policyv1.PodDisruptionBudget](t, c, naming.DisruptionBudget("drain")).Status.DisruptedPods["drain-1"]
		return !disrupted
	})
	hasEnded(t, c, "drain-1")
	eventually(t, "its pod is made again", func() bool {
		pod := &corev1.Pod{}
		return c.Get(t.Context(), key("drain-1"), pod) == nil && pod.UID != primary.UID
	})
	if err := evicted(t, c, "drain-2"); !apierrors.IsTooManyRequests(err) {
		t.Errorf("a second instance goes before the first is back: %v", err)
	}
	running(t, c, "drain-1", "127.0.93.1")
	seen(t, c, "drain-1")
	eventually(t, "the next may go when the first is back", func() bool { return evicted(t, c, "drain-2") == nil })
}
