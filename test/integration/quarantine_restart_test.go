//go:build integration

package integration

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// operatorOf this version, in which a phase panics where an annotation of a cluster asks for it.
func operatorOf(t *testing.T, version string) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "timonier-operator")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "poison", "-ldflags", "-X github.com/timonier-io/timonier/internal/version.version="+version,
		"-o", program, "../../cmd/timonier-operator")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the operator: %v\n%s", err, out)
	}
	return program
}

func TestThreePanicsSuspendAPhaseUntilAnotherVersionOfTheOperatorTriesIt(t *testing.T) {
	first, second := operatorOf(t, "v1.0.0"), operatorOf(t, "v1.0.1")
	c, kubeconfig := ownForOperator(t)
	stop := operatorProcess(t, first, kubeconfig)
	asked(t, c, "bug", "instances: 1")
	exists[corev1.Pod](t, c, "bug-1")
	annotated(t, c, "bug", "timonier.io/poison", "panic")
	entry := putBack(t, c, "bug", 0).Quarantine[0]
	if entry.Phase != "poison" || entry.Reason != "Panic" || entry.Count != 3 || entry.OperatorVersion != "v1.0.0" || !strings.Contains(entry.Message, "as its annotation asks") {
		t.Errorf("after three panics the status says %+v", entry)
	}
	condition := meta.FindStatusCondition(exists[v1alpha1.PostgresCluster](t, c, "bug").Status.Conditions, v1alpha1.ConditionQuarantined)
	if condition == nil || condition.Status != metav1.ConditionTrue || condition.Reason != v1alpha1.ReasonPanicked {
		t.Errorf("Quarantined is %+v", condition)
	}
	workedOn(t, c, "bug") // all else goes on

	stop()
	stop = operatorProcess(t, first, kubeconfig)
	workedOn(t, c, "bug")
	putBack(t, c, "bug", 0) // the same version does not try it
	stop()

	stop = operatorProcess(t, second, kubeconfig)
	if entry := putBack(t, c, "bug", 1).Quarantine[0]; entry.Count != 4 || entry.OperatorVersion != "v1.0.1" {
		t.Errorf("tried by another version, the status says %+v", entry)
	}
	if event := told(t, c, "bug", v1alpha1.ReasonReleased); !strings.Contains(event.Note, "phase poison is tried again: another version of the operator runs") {
		t.Errorf("it is told as %q", event.Note)
	}
	stop()
}

// written are the states of a cluster's status since the test began to watch it.
func written(t *testing.T, kubeconfig, name string) (since func() []v1alpha1.PostgresClusterStatus) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	watching, err := client.NewWithWatch(config, client.Options{Scheme: kinds(t)})
	if err != nil {
		t.Fatal(err)
	}
	watch, err := watching.Watch(t.Context(), &v1alpha1.PostgresClusterList{}, client.InNamespace("shop"), client.MatchingFields{"metadata.name": name})
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan v1alpha1.PostgresClusterStatus, 1000)
	go func() {
		for event := range watch.ResultChan() {
			if found, ok := event.Object.(*v1alpha1.PostgresCluster); ok {
				all <- found.Status
			}
		}
	}()
	t.Cleanup(watch.Stop)
	return func() (states []v1alpha1.PostgresClusterStatus) {
		for len(all) > 0 {
			states = append(states, <-all)
		}
		return states
	}
}

// withoutCounts is what is news in a status of one failing phase, and when it failed last.
func withoutCounts(status v1alpha1.PostgresClusterStatus) (news v1alpha1.PostgresClusterStatus, last time.Time) {
	news = *status.DeepCopy()
	for i := range news.Failures {
		last = news.Failures[i].Last.Time
		news.Failures[i] = contract.Failure{Phase: news.Failures[i].Phase, Reason: news.Failures[i].Reason, Generation: news.Failures[i].Generation}
	}
	return news, last
}

func TestAnOperatorThatIsStartedDuringASharedFaultSuspendsNobodyAndWritesNoCountsTwiceAMinute(t *testing.T) {
	program := operatorOf(t, "v1.0.0")
	c, kubeconfig := ownForOperator(t)
	retries, after := int32(3), int32(10)
	platformSays(t, c, platformv1alpha1.PlatformSpec{MaxRetries: &retries, QuarantineAfterSeconds: &after})
	refused(t, c, "!object.metadata.name.endsWith('-ro')", "any-ro")
	stop := operatorProcess(t, program, kubeconfig)
	var fleet []string
	for n := range 6 {
		fleet = append(fleet, fmt.Sprintf("fleet%d", n))
		asked(t, c, fleet[n], "instances: 1")
	}
	status := func(name string) v1alpha1.PostgresClusterStatus {
		return exists[v1alpha1.PostgresCluster](t, c, name).Status
	}
	for _, name := range fleet {
		eventually(t, name+" fails", func() bool { return len(status(name).Failures) == 1 })
	}
	states := written(t, kubeconfig, fleet[0])
	last := status(fleet[5]).Failures[0].First
	for _, name := range fleet {
		eventuallyWithin(t, time.Minute, "each would be suspended for itself", func() bool { return time.Since(last.Time) > 11*time.Second })
		workedOn(t, c, name)
		released(t, c, name, "to have the counts written with it")
		eventually(t, "they are too many", func() bool { f := status(name).Failures; return len(f) == 1 && f[0].Count > retries })
	}
	stop()

	// Whom it looks at first has failed too often, and nobody else has failed in its sight.
	stop = operatorProcess(t, program, kubeconfig)
	for _, name := range fleet {
		workedOn(t, c, name)
	}
	for _, name := range fleet {
		if found := status(name); len(found.Quarantine) != 0 || len(found.Failures) != 1 || found.Failures[0].Reason != "Forbidden" {
			t.Errorf("%s: %+v, %+v", name, found.Quarantine, found.Failures)
		}
	}
	eventuallyWithin(t, 2*time.Minute, "counts are written all the same", func() bool { f := status(fleet[0]).Failures; return len(f) == 1 && f[0].Count > 10 })
	stop()
	var before v1alpha1.PostgresClusterStatus
	for _, after := range states() {
		was, then := withoutCounts(before)
		is, now := withoutCounts(after)
		if equality.Semantic.DeepEqual(was, is) && now != then && now.Sub(then) < time.Minute {
			t.Errorf("counts alone were written twice within %s: %+v and %+v", now.Sub(then), before.Failures, after.Failures)
		}
		before = after
	}
}
