//go:build integration

package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// own is an API server for one test alone, where no operator of other tests is at work: a client and a file to reach it.
func own(t *testing.T) (c client.Client, kubeconfig string) {
	t.Helper()
	environment := controlPlane()
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Error(err)
		}
	})
	config, err := environment.Start()
	if err != nil {
		t.Fatal(err)
	}
	if c, err = client.New(config, client.Options{Scheme: kinds(t)}); err != nil {
		t.Fatal(err)
	}
	access, err := clientcmd.Load(environment.KubeConfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range access.AuthInfos {
		user.Impersonate = operatorAccount
	}
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*access, kubeconfig); err != nil {
		t.Fatal(err)
	}
	return c, kubeconfig
}

// operatorBuilt is the operator's program, and an API server of its own with what it needs.
func operatorBuilt(t *testing.T) (program string, c client.Client, kubeconfig string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "timonier-operator")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/timonier-operator").CombinedOutput(); err != nil {
		t.Fatalf("building the operator: %v\n%s", err, out)
	}
	c, kubeconfig = ownForOperator(t)
	return program, c, kubeconfig
}

// ownForOperator is an API server for one test alone, with what an operator needs there.
func ownForOperator(t *testing.T) (c client.Client, kubeconfig string) {
	t.Helper()
	c, kubeconfig = own(t)
	for _, name := range []string{"shop", "timonier-system"} {
		if err := c.Create(t.Context(), namespace(name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"role.yaml", "binding.yaml"} {
		applyFile(t, c, filepath.Join(root, "config", "rbac", file))
	}
	return c, kubeconfig
}

// operatorProcess starts the operator as its image does; the function stops it as the kubelet does, and waits for it.
func operatorProcess(t *testing.T, program, kubeconfig string) (stop func()) {
	t.Helper()
	process := operatorStarted(t, program, kubeconfig)
	return func() {
		if err := process.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := process.Wait(); err != nil {
			t.Errorf("the operator did not end well: %v", err)
		}
	}
}

func operatorStarted(t *testing.T, program, kubeconfig string) *exec.Cmd {
	t.Helper()
	process := exec.Command(program, "--manager-image=registry.example/timonier:test", "--manager-program="+program, //nolint:gosec // built by this test
		"--workers=1", "--metrics-address=0", "--probe-address=0")
	process.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	process.Stderr = os.Stderr
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if process.ProcessState == nil {
			_ = process.Process.Kill()
			_ = process.Wait() // it was killed
		}
	})
	return process
}

func TestOfTwoOperatorsOneWorksAndTheOtherTakesOver(t *testing.T) {
	program, c, kubeconfig := operatorBuilt(t)
	holder := func() string {
		lease := &coordinationv1.Lease{}
		if c.Get(t.Context(), client.ObjectKey{Namespace: "timonier-system", Name: "timonier-operator"}, lease) != nil || lease.Spec.HolderIdentity == nil {
			return ""
		}
		return *lease.Spec.HolderIdentity
	}

	stopFirst := operatorProcess(t, program, kubeconfig)
	eventually(t, "the first operator leads", func() bool { return holder() != "" })
	first := holder()
	stopSecond := operatorProcess(t, program, kubeconfig)
	asked(t, c, "before", "instances: 1")
	exists[corev1.Pod](t, c, naming.Instance("before", 1))
	if now := holder(); now != first {
		t.Errorf("the Lease of %s went to %s while both ran", first, now)
	}

	stopFirst()
	eventually(t, "the second operator leads", func() bool { return holder() != "" && holder() != first })
	asked(t, c, "after", "instances: 1")
	exists[corev1.Pod](t, c, naming.Instance("after", 1))
	edited(t, c, "before", func(p *v1alpha1.PostgresCluster) { p.Spec.Team = "of-the-second" })
	stopSecond()
	if now := holder(); now != "" {
		t.Errorf("an operator that ended still holds the Lease: %s", now)
	}
}

func TestAnOperatorThatIsKilledInTheMiddleOfAnOperationGoesOnWithIt(t *testing.T) {
	program, c, kubeconfig := operatorBuilt(t)
	first := operatorStarted(t, program, kubeconfig)
	w := trioOf(t, c, "mid", 94)
	since := time.Now().Add(-time.Hour)
	w.cancels(t, "mid-1", instanceapi.CancelledWaits{Since: since, Count: 3})
	told(t, c, "mid", v1alpha1.ReasonCommitWaitsCancelled)
	killed, asks := make(chan struct{}), make(chan string, 99)
	for name, stands := range w.instances {
		stands.will(instanceapi.PathRestart, func(i *instance, body []byte) *instanceapi.RefusedError {
			asks <- name
			<-killed // the answer to the first request finds nobody
			return restarted(i, body)
		})
	}
	w.instances["mid-1"].will(instanceapi.PathSwitchover, func(i *instance, body []byte) *instanceapi.RefusedError {
		asks <- "mid-1 hands over"
		return restarted(i, body)
	})
	ordered(t, c, "all", v1alpha1.PostgresOperationSpec{ClusterRef: v1alpha1.ClusterReference{Name: "mid"}, Type: v1alpha1.OperationRestart})
	next := func(want string) {
		t.Helper()
		eventually(t, want, func() bool { return len(asks) > 0 })
		if got := <-asks; got != want {
			t.Errorf("%s is asked, want %s", got, want)
		}
	}
	next("mid-2")
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait() // it was killed
	w.instances["mid-1"].change(func(status *instanceapi.Status) {
		status.CancelledWaits = &instanceapi.CancelledWaits{Since: since, Count: 5}
	})
	close(killed)
	// The next one need not wait until the Lease of the one that was killed is over.
	if err := c.Delete(t.Context(), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "timonier-system", Name: "timonier-operator"}}); err != nil {
		t.Fatal(err)
	}
	operatorStarted(t, program, kubeconfig)
	next("mid-3")
	next("mid-1 hands over")
	w.leads(t, "mid-2")
	ended(t, c, "all", "Succeeded Done")
	if len(asks) != 0 {
		t.Errorf("and then %s", <-asks)
	}
	eventually(t, "of commits that did not wait, it counts what the first operator did not tell of", func() bool {
		known := w.knownOf(t, "mid-1")
		return known.Count == 5 && known.Untold == 2
	})
}

func TestAnOperatorThatWasKilledGoesOnInItsPodWithoutWaitingForItsOwnLease(t *testing.T) {
	program, c, kubeconfig := operatorBuilt(t)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "timonier-system", Name: "timonier-operator-abcde"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "operator", Image: "registry.example/timonier:test"}}}}
	if err := c.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	inPod := []string{"TIMONIER_POD_NAME=" + pod.Name}
	lease := func() coordinationv1.LeaseSpec {
		t.Helper()
		found := &coordinationv1.Lease{}
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "timonier-system", Name: "timonier-operator"}, found); err != nil {
			t.Fatal(err)
		}
		return found.Spec
	}
	first := operatorWith(t, program, kubeconfig, inPod)
	asked(t, c, "before", "instances: 1")
	exists[corev1.Pod](t, c, "before-1")
	held := lease()
	if err := first.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-first.over

	second := operatorWith(t, program, kubeconfig, inPod)
	asked(t, c, "after", "instances: 1")
	exists[corev1.Pod](t, c, "after-1")
	if now := lease(); *now.HolderIdentity != *held.HolderIdentity || *now.LeaseTransitions != *held.LeaseTransitions {
		t.Errorf("it led as %s for the %dth time before it was killed, and as %s for the %dth after it", *held.HolderIdentity, *held.LeaseTransitions, *now.HolderIdentity, *now.LeaseTransitions)
	}
	second.terminate(t)
}
