//go:build integration

package integration

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// process of an operator.
type process struct {
	command *exec.Cmd
	// over is closed when it has ended, and then failure is how, nil for well.
	over    chan struct{}
	failure error
}

// operatorWith starts the operator's program with this environment and these flags beside those that it needs here.
func operatorWith(t *testing.T, program, kubeconfig string, environment []string, flags ...string) *process {
	t.Helper()
	arguments := append([]string{"--manager-image=registry.example/timonier:test", "--manager-program=" + program, "--metrics-address=0", "--probe-address=0"}, flags...)
	p := &process{command: exec.Command(program, arguments...), over: make(chan struct{})} //nolint:gosec // built by this test
	p.command.Env = append(append(os.Environ(), "KUBECONFIG="+kubeconfig), environment...)
	p.command.Stderr = os.Stderr
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.failure = p.command.Wait()
		close(p.over)
	}()
	t.Cleanup(func() {
		if !p.ended() {
			_ = p.command.Process.Kill() // it may end meanwhile
			<-p.over
		}
	})
	return p
}

func (p *process) ended() bool {
	select {
	case <-p.over:
		return true
	default:
		return false
	}
}

// terminate it as the kubelet does, and wait for it for as long as the kubelet would. It is to end well; how long it took is returned.
func (p *process) terminate(t *testing.T) time.Duration {
	t.Helper()
	grace, begin := gracePeriod(t), time.Now()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.over:
	case <-time.After(grace):
		t.Fatalf("the operator runs still, %s after it was told to end: a kubelet would kill it", grace)
	}
	if p.failure != nil {
		t.Errorf("the operator did not end well: %v", p.failure)
	}
	return time.Since(begin)
}

// gracePeriod of the operator's pod.
func gracePeriod(t *testing.T) time.Duration {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "config", "operator", "deployment.yaml"))
	deployed := &appsv1.Deployment{}
	if err = errors.Join(err, yaml.Unmarshal(content, deployed)); err != nil || deployed.Spec.Template.Spec.TerminationGracePeriodSeconds == nil {
		t.Fatalf("the operator's Deployment has no grace period (%v)", err)
	}
	return time.Duration(*deployed.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
}

// operatorLease tells who leads, "" for nobody.
func operatorLease(t *testing.T, c client.Client) string {
	t.Helper()
	lease := &coordinationv1.Lease{}
	if c.Get(t.Context(), client.ObjectKey{Namespace: "timonier-system", Name: "timonier-operator"}, lease) != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// whole watches the statuses of all clusters: each version that is written must be of one piece. The function ends it, and tells how many were seen.
func whole(t *testing.T, c client.Client, kubeconfig string) (end func() int) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	watching, err := client.NewWithWatch(config, client.Options{Scheme: c.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	events, err := watching.Watch(t.Context(), &v1alpha1.PostgresClusterList{}, client.InNamespace("shop"))
	if err != nil {
		t.Fatal(err)
	}
	seen, done := 0, make(chan struct{})
	go func() {
		defer close(done)
		for event := range events.ResultChan() {
			if found, ok := event.Object.(*v1alpha1.PostgresCluster); ok && found.Status.ObservedGeneration > 0 {
				seen++
				if why := halfWritten(found); why != "" {
					t.Errorf("a status of %s was written by half: %s: %+v", found.Name, why, found.Status)
				}
			}
		}
	}()
	var once sync.Once
	end = func() int {
		once.Do(events.Stop)
		<-done
		return seen
	}
	t.Cleanup(func() { end() })
	return end
}

// halfWritten tells what does not go together in a status; "" where all does.
func halfWritten(cluster *v1alpha1.PostgresCluster) string {
	status := cluster.Status
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	switch {
	case status.ObservedGeneration > cluster.Generation:
		return "it is of a spec that does not exist"
	case ready == nil:
		return "it has no condition Ready"
	}
	for _, condition := range status.Conditions {
		if condition.ObservedGeneration != status.ObservedGeneration {
			return condition.Type + " is of another generation than the status"
		}
	}
	return ""
}

func TestAnOperatorThatIsToldToEndDoesSoInTheMiddleOfItsWorkAndTheNextTakesOverAtOnce(t *testing.T) {
	program, c, kubeconfig := operatorBuilt(t)
	first := operatorWith(t, program, kubeconfig, nil)
	w := trioOf(t, c, "ends", 96)
	eventually(t, "it is ready", func() bool {
		return meta.IsStatusConditionTrue(exists[v1alpha1.PostgresCluster](t, c, "ends").Status.Conditions, v1alpha1.ConditionAvailable)
	})
	holder := operatorLease(t, c)
	second := operatorWith(t, program, kubeconfig, nil)
	end := whole(t, c, kubeconfig)

	// An instance that takes a configuration and does not answer holds a reconcile up.
	begun, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	letGo := func() { once.Do(func() { close(release) }) }
	t.Cleanup(letGo)
	var began sync.Once
	w.instances["ends-1"].will(instanceapi.PathConfiguration, func(i *instance, body []byte) *instanceapi.RefusedError {
		began.Do(func() { close(begun) })
		<-release
		return takes(i, body)
	})
	found := exists[v1alpha1.PostgresCluster](t, c, "ends")
	changed := found.DeepCopy()
	changed.Spec.Parameters = map[string]intstr.IntOrString{"log_min_duration_statement": intstr.FromInt32(1234)}
	if err := c.Patch(t.Context(), changed, client.MergeFrom(found)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-begun:
	case <-time.After(patience):
		t.Fatal("no configuration is sent: no reconcile would be cancelled")
	}

	took := first.terminate(t)
	if now := operatorLease(t, c); now == holder {
		t.Errorf("the operator that ended still holds the Lease: %s", now)
	}
	letGo()
	// By the Lease's own end it would be after 15 seconds.
	eventuallyWithin(t, 8*time.Second, "the second operator leads", func() bool { now := operatorLease(t, c); return now != "" && now != holder })
	t.Logf("it ended %s after it was told to", took)
	eventually(t, "the second goes on where the first was interrupted", func() bool {
		found := exists[v1alpha1.PostgresCluster](t, c, "ends")
		ready := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionAvailable)
		return w.instances["ends-1"].inForce().Parameters["log_min_duration_statement"] == "1234" && found.Status.ObservedGeneration == found.Generation && ready != nil && ready.ObservedGeneration == found.Generation
	})
	// That it was interrupted is nobody's failure.
	if failures := exists[v1alpha1.PostgresCluster](t, c, "ends").Status.Failures; len(failures) != 0 {
		t.Errorf("counted as failures: %+v", failures)
	}
	second.terminate(t)
	if now := operatorLease(t, c); now != "" {
		t.Errorf("an operator that ended still holds the Lease: %s", now)
	}
	if seen := end(); seen == 0 {
		t.Error("no status was seen at all")
	}
	exists[corev1.Pod](t, c, naming.Instance("ends", 1))
}
