//go:build integration

package integration

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/operator"
)

// operatorRuns starts the real operator, with the rights that config/rbac gives it and no others. There is no
// kubelet: its pods stay pending.
func operatorRuns(t *testing.T) client.Client {
	t.Helper()
	typed, err := client.New(server.config, client.Options{Scheme: kinds(t)})
	if err != nil {
		t.Fatal(err)
	}
	operatorOnce(t, typed)
	t.Cleanup(func() { later.Store(0) }) // the next test's instances and pods go by the real clock
	return typed
}

// kinds that tests handle as Go types.
func kinds(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientscheme.AddToScheme, v1alpha1.AddToScheme, platformv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

// operatorAccount is the operator's, with the rights of config/rbac.
const operatorAccount = "system:serviceaccount:timonier-system:timonier-operator"

// managerProgram is the instance manager that the operator would bring to instances.
const managerProgram = "no pod runs here"

// managerHash is that of an instance that has it.
func managerHash() string {
	sum := sha256.Sum256([]byte(managerProgram))
	return hex.EncodeToString(sum[:])
}

// stopOperator ends the operator that runs, and waits for it; nil where none runs.
var stopOperator func()

func operatorOnce(t *testing.T, typed client.Client) {
	t.Helper()
	if stopOperator != nil {
		return
	}
	if err := typed.Create(t.Context(), namespace("timonier-system")); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"role.yaml", "binding.yaml"} {
		applyFile(t, server.client, filepath.Join(root, "config", "rbac", file))
	}
	config := rest.CopyConfig(server.config)
	config.Impersonate.UserName = operatorAccount
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return wire{next} })
	program := filepath.Join(t.TempDir(), "timonier-instance")
	if err := os.WriteFile(program, []byte(managerProgram), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	stopOperator = func() { stop(); <-ended }
	go func() {
		defer close(ended)
		if err := operator.Run(ctx, config, operator.Options{
			Namespace: "timonier-system", ManagerImage: "registry.example/timonier:test", ManagerProgram: program,
			Now: now, Workers: 2, MetricsAddress: "0", ProbeAddress: "0", Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		}); err != nil {
			panic(err) // no test can go on without it
		}
	}()
}

func applyFile(t *testing.T, c client.Client, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for document := range strings.SplitSeq(string(content), "\n---") {
		if strings.TrimSpace(strings.TrimPrefix(document, "---")) == "" {
			continue
		}
		if err := c.Create(t.Context(), object(t, strings.TrimPrefix(document, "---"))); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
}

// eventually waits for a state of the world; what says what is missing.
func eventually(t *testing.T, what string, reached func() bool) {
	t.Helper()
	eventuallyWithin(t, 30*time.Second, what, reached)
}

func eventuallyWithin(t *testing.T, patience time.Duration, what string, reached func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !reached() {
		if time.Now().After(deadline) {
			t.Fatalf("never seen: %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// asked makes a cluster of that name and spec; it is gone at the end of the test.
func asked(t *testing.T, c client.Client, name, spec string) {
	t.Helper()
	made := &v1alpha1.PostgresCluster{}
	content, err := yaml.Marshal(cluster(t, name, spec).Object)
	if err == nil {
		err = yaml.UnmarshalStrict(content, made)
	}
	if err == nil {
		err = c.Create(t.Context(), made)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func key(name string) client.ObjectKey { return client.ObjectKey{Namespace: "shop", Name: name} }

func exists[T any, P interface {
	*T
	client.Object
}](t *testing.T, c client.Client, name string) P {
	t.Helper()
	found := P(new(T))
	eventually(t, name, func() bool { return c.Get(t.Context(), key(name), found) == nil })
	return found
}

func TestTheOperatorMakesAClusterWithTheRightsThatItsManifestGives(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "rights", "instances: 3\nteam: commerce")
	for ordinal := 1; ordinal <= 3; ordinal++ {
		name := naming.Instance("rights", ordinal)
		pod, claim := exists[corev1.Pod](t, c, name), exists[corev1.PersistentVolumeClaim](t, c, name)
		if pod.Labels[naming.LabelTeam] != "commerce" || !metav1.IsControlledBy(pod, exists[v1alpha1.PostgresCluster](t, c, "rights")) {
			t.Errorf("pod %s: labels %v, owners %v", name, pod.Labels, pod.OwnerReferences)
		}
		if len(claim.OwnerReferences) != 0 {
			t.Errorf("volume %s would go with the cluster: %v", name, claim.OwnerReferences)
		}
	}
	exists[corev1.Secret](t, c, naming.RoleSecret("rights", naming.DefaultRole))
	eventually(t, "conditions", func() bool {
		found := exists[v1alpha1.PostgresCluster](t, c, "rights")
		ready := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Status == metav1.ConditionFalse && meta.IsStatusConditionTrue(found.Status.Conditions, v1alpha1.ConditionReconciling)
	})
}

func TestOnlyAClusterWithoutAnyTraceMayCreateASystem(t *testing.T) {
	c := operatorRuns(t)
	system := func(name string) string {
		return exists[coordinationv1.Lease](t, c, naming.Lease(name)).Annotations["timonier.io/system"]
	}
	asked(t, c, "fresh", "instances: 1")
	if got := system("fresh"); got != "bootstrap=fresh-1" {
		t.Errorf("a fresh cluster's Lease says %q", got)
	}

	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "again-1", Labels: map[string]string{
			naming.LabelCluster: "again", naming.LabelInstance: "again-1", naming.LabelVolume: "data"}},
		Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}},
	}
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: *quantity(t, "1Gi")}
	if err := c.Create(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	asked(t, c, "again", "instances: 1")
	if got := system("again"); got != "" {
		t.Errorf("with a retained volume the Lease says %q", got)
	}

	// The Lease of the fresh cluster is lost after its volumes were made: nobody has heard them yet.
	exists[corev1.Pod](t, c, "fresh-1")
	lost := exists[coordinationv1.Lease](t, c, naming.Lease("fresh"))
	if err := c.Delete(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another Lease", func() bool {
		found := &coordinationv1.Lease{}
		return c.Get(t.Context(), key(naming.Lease("fresh")), found) == nil && found.UID != lost.UID
	})
	if got := system("fresh"); got != "" {
		t.Errorf("made again without having heard the volumes, the Lease says %q", got)
	}
}

func TestAnObjectOfSomebodyElseIsNeitherAdoptedNorChanged(t *testing.T) {
	c := operatorRuns(t)
	theirs := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "taken-rw"},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
	if err := c.Create(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	asked(t, c, "taken", "instances: 1")
	eventually(t, "NameTaken", func() bool {
		found := exists[v1alpha1.PostgresCluster](t, c, "taken")
		stalled := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionStalled)
		return stalled != nil && stalled.Reason == v1alpha1.ReasonNameTaken && strings.Contains(stalled.Message, "taken-rw")
	})
	if after := exists[corev1.Service](t, c, "taken-rw"); after.ResourceVersion != theirs.ResourceVersion {
		t.Errorf("changed: %v", after)
	}
}

func TestWhatSomebodyChangesInAServiceIsPutBack(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "drift", "instances: 1")
	service := exists[corev1.Service](t, c, "drift-rw")
	service.Spec.Ports[0].Port = 1234
	if err := c.Update(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	eventually(t, "port 5432", func() bool { return exists[corev1.Service](t, c, "drift-rw").Spec.Ports[0].Port == naming.PortPostgres })
}

func TestTheVeryFirstStatusSaysThatNothingWasLookedAt(t *testing.T) {
	c := operatorRuns(t)
	watching, err := client.NewWithWatch(server.config, client.Options{Scheme: c.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	events, err := watching.Watch(t.Context(), &v1alpha1.PostgresClusterList{}, client.InNamespace("shop"))
	if err != nil {
		t.Fatal(err)
	}
	defer events.Stop()
	asked(t, c, "first", "instances: 1")
	for event := range events.ResultChan() {
		found, ok := event.Object.(*v1alpha1.PostgresCluster)
		if !ok || found.Name != "first" || len(found.Status.Conditions) == 0 {
			continue
		}
		ready := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || ready.Status != metav1.ConditionUnknown || found.Status.ObservedGeneration != found.Generation {
			t.Errorf("the first status is %+v", found.Status)
		}
		return
	}
}

func quantity(t *testing.T, text string) *resource.Quantity {
	t.Helper()
	parsed, err := resource.ParseQuantity(text)
	if err != nil {
		t.Fatal(err)
	}
	return &parsed
}
