//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// space is a test's own namespace.
type space struct {
	t    *testing.T
	name string
}

// newSpace makes a namespace that enforces the restricted Pod Security standard. It goes when the test ends, with
// all volumes in it.
func newSpace(t *testing.T) *space {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "e2e-",
		Labels:       map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
		Annotations:  map[string]string{"e2e.timonier.io/test": t.Name()},
	}}
	if err := kube.Create(t.Context(), namespace); err != nil {
		t.Fatalf("making a namespace: %v", err)
	}
	s := &space{t: t, name: namespace.Name}
	t.Logf("in namespace %s", s.name)
	t.Cleanup(s.remove)
	return s
}

// remove the namespace. That nothing keeps it from going is part of what is tested.
func (s *space) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if s.t.Failed() {
		s.t.Log(s.diagnosis(ctx))
	}
	if err := kube.DeleteAllOf(ctx, &v1alpha1.PostgresCluster{}, client.InNamespace(s.name)); err != nil {
		s.t.Errorf("deleting the clusters in namespace %s: %v", s.name, err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.name}}
	if err := client.IgnoreNotFound(kube.Delete(ctx, namespace)); err != nil {
		s.t.Errorf("deleting namespace %s: %v", s.name, err)
		return
	}
	for {
		err := kube.Get(ctx, client.ObjectKeyFromObject(namespace), namespace)
		if apierrors.IsNotFound(err) {
			return
		}
		select {
		case <-ctx.Done():
			s.t.Errorf("namespace %s does not go: %v", s.name, namespace.Status.Conditions)
			return
		case <-time.After(500 * time.Millisecond): // the pace of polling
		}
	}
}

// diagnosis is what a person would look at first. No Secret is read.
func (s *space) diagnosis(ctx context.Context) string {
	var report strings.Builder
	section := func(title string, args ...string) {
		out, err := tryKubectl(ctx, args...)
		if err != nil {
			out += err.Error()
		}
		report.WriteString("=== " + title + "\n" + out + "\n")
	}
	section("clusters", "-n", s.name, "get", "pgc", "-o", "wide")
	section("status", "-n", s.name, "get", "pgc", "-o", "jsonpath={range .items[*]}{.metadata.name}{\"\\n\"}{range .status.conditions[*]}"+
		"  {.type}={.status} {.reason}: {.message}{\"\\n\"}{end}{range .status.instances[*]}  {.name}: {.role} {.state} ready={.ready} {.message}{\"\\n\"}{end}{end}")
	section("pods and volumes", "-n", s.name, "get", "pods,pvc,services,leases", "-o", "wide")
	section("events", "-n", s.name, "get", "events", "--sort-by=.metadata.creationTimestamp",
		"-o", "custom-columns=AT:.metadata.creationTimestamp,OBJECT:.involvedObject.name,REASON:.reason,MESSAGE:.message")
	for _, pod := range s.pods(ctx) {
		section("log of "+pod.Name, "-n", s.name, "logs", pod.Name, "--all-containers", "--tail=40")
		for _, status := range pod.Status.ContainerStatuses {
			if status.RestartCount > 0 {
				section("log of "+pod.Name+" before its restart", "-n", s.name, "logs", pod.Name, "-c", status.Name, "--previous", "--tail=40")
			}
		}
	}
	log, err := tryKubectl(ctx, "-n", operatorNamespace, "logs", "deploy/"+operatorName, "--tail=2000")
	if err != nil {
		log += err.Error()
	}
	report.WriteString("=== what the operator says of this namespace\n" + lastLines(log, 30, s.name))
	return report.String()
}

// lastLines that contain a word, at most so many.
func lastLines(text string, count int, word string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-count):], "")
}

func (s *space) pods(ctx context.Context) []corev1.Pod {
	var pods corev1.PodList
	if err := kube.List(ctx, &pods, client.InNamespace(s.name)); err != nil {
		s.t.Logf("listing pods: %v", err)
	}
	return pods.Items
}

// make creates an object in the namespace.
func (s *space) make(object client.Object) {
	s.t.Helper()
	object.SetNamespace(s.name)
	if err := kube.Create(s.t.Context(), object); err != nil {
		s.t.Fatalf("creating %s: %v", object.GetName(), err)
	}
}

// find reads an object of the namespace into one of its type.
func (s *space) find(name string, object client.Object) error {
	return kube.Get(s.t.Context(), client.ObjectKey{Namespace: s.name, Name: name}, object)
}

// mustFind reads an object that is there.
func (s *space) mustFind(name string, object client.Object) {
	s.t.Helper()
	if err := s.find(name, object); err != nil {
		s.t.Fatal(err)
	}
}

// secret makes a Secret.
func (s *space) secret(name string, data map[string]string) {
	s.t.Helper()
	s.make(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: data})
}

// exec runs a command in a pod's first container.
func (s *space) exec(pod string, command ...string) (string, error) {
	return tryKubectl(s.t.Context(), append([]string{"-n", s.name, "exec", pod, "--"}, command...)...)
}
