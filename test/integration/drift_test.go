//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// leftAlone asks for a cluster of one and has it left alone once its pod is there.
func leftAlone(t *testing.T, c client.Client, name string) {
	t.Helper()
	asked(t, c, name, "instances: 1")
	exists[corev1.Pod](t, c, name+"-1")
	exists[corev1.Secret](t, c, naming.RoleSecret(name, naming.DefaultRole))
	exists[corev1.Service](t, c, name+"-ro")
	managed(t, c, name, metav1.ConditionTrue, v1alpha1.ReasonManaged)
	specified(t, c, name, `{"managementState":"Unmanaged"}`)
	managed(t, c, name, metav1.ConditionFalse, v1alpha1.ReasonUnmanaged)
}

// portDiffers tells whether the status has the port of this Service.
func portDiffers(drift []contract.Drift, name string) bool {
	return slices.ContainsFunc(drift, func(d contract.Drift) bool {
		return d.Kind == "Service" && d.Name == name && d.Field == "spec.ports[0].port"
	})
}

// version of an object, which is one row of numbers for all of them.
func version(t *testing.T, object client.Object) uint64 {
	t.Helper()
	number, err := strconv.ParseUint(object.GetResourceVersion(), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

func TestWhatAPersonChangedIsWrittenDownBeforeItIsPutBack(t *testing.T) {
	c := operatorRuns(t)
	leftAlone(t, c, "first-told")
	aPersonChanges(t, c, "first-told-rw")
	watching, err := client.NewWithWatch(server.config, client.Options{Scheme: c.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	versions, err := watching.Watch(t.Context(), &v1alpha1.PostgresClusterList{}, client.InNamespace("shop"), client.MatchingFields{"metadata.name": "first-told"})
	if err != nil {
		t.Fatal(err)
	}
	defer versions.Stop()
	specified(t, c, "first-told", `{"managementState":"Managed"}`)
	var told *v1alpha1.PostgresCluster
	for event := range versions.ResultChan() {
		found, ok := event.Object.(*v1alpha1.PostgresCluster)
		if !ok {
			t.Fatalf("the watch broke: %v", event)
		}
		if found.Status.Management.Told != nil && told == nil {
			told = found
		}
		if found.Status.ManagementState == contract.Managed {
			break
		}
	}
	if told == nil || told.Status.ManagementState != contract.Unmanaged || !portDiffers(told.Status.Management.Drift, "first-told-rw") {
		t.Fatalf("before it was managed again the status said %+v", told)
	}
	eventually(t, "port 5432", func() bool { return port(t, c, "first-told-rw") == naming.PortPostgres })
	if back := exists[corev1.Service](t, c, "first-told-rw"); version(t, back) <= version(t, told) {
		t.Errorf("the Service was put back by version %s, and that was written down by %s", back.ResourceVersion, told.ResourceVersion)
	}
	after := managed(t, c, "first-told", metav1.ConditionTrue, v1alpha1.ReasonManaged)
	if m := after.Status.Management; m.Told != nil || m.DriftedFields != told.Status.Management.DriftedFields || !portDiffers(m.Drift, "first-told-rw") {
		t.Errorf("what was put back is not kept: %+v", m)
	}
	specified(t, c, "first-told", `{"team":"commerce"}`)
	eventually(t, "it has looked again", func() bool {
		return exists[corev1.Service](t, c, "first-told-rw").Labels[naming.LabelTeam] == "commerce"
	})
	handed := events(t, c, "first-told", v1alpha1.ReasonHandedBack)
	if len(handed) != 1 || handed[0].Series != nil || !strings.Contains(handed[0].Note, "Service/first-told-rw spec.ports[0].port: 1234, wanted 5432") {
		t.Errorf("events: %+v", handed)
	}
}

func TestAChildThatTheAPIServerRefusesKeepsNobodyFromBeingHandedBack(t *testing.T) {
	c := operatorRuns(t)
	leftAlone(t, c, "refusing")
	aPersonChanges(t, c, "refusing-ro")
	forbidden(t, c, "refusing-ro")
	aPersonChanges(t, c, "refusing-rw")
	specified(t, c, "refusing", `{"managementState":"Managed","resumePolicy":"Report"}`)
	found := managed(t, c, "refusing", metav1.ConditionFalse, v1alpha1.ReasonDriftReported)
	refused := slices.IndexFunc(found.Status.Management.Drift, func(d contract.Drift) bool { return d.Name == "refusing-ro" && d.Kind == "Service" })
	if refused < 0 || found.Status.Management.Drift[refused].Field != "?" || !strings.Contains(found.Status.Management.Drift[refused].Found, "nobody may have this Service") {
		t.Errorf("the drift is %+v", found.Status.Management.Drift)
	}
	if !portDiffers(found.Status.Management.Drift, "refusing-rw") {
		t.Errorf("the other Service is not in it: %+v", found.Status.Management.Drift)
	}
	specified(t, c, "refusing", `{"resumePolicy":"Enforce"}`)
	eventually(t, "the other Service is put back", func() bool { return port(t, c, "refusing-rw") == naming.PortPostgres })
	managed(t, c, "refusing", metav1.ConditionTrue, v1alpha1.ReasonManaged)
}

func TestAChildThatIsHandedBackStaysAsItIsUntilItIsToBePutBack(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "returns", "instances: 1\nresumePolicy: Report")
	exists[corev1.Service](t, c, "returns-ro")
	platformSays(t, c, platformv1alpha1.PlatformSpec{Overrides: []contract.Override{{Kind: "Service", Namespace: "shop", Name: "returns-rw", Unmanaged: true}}})
	alone := func() bool {
		return slices.Equal(exists[v1alpha1.PostgresCluster](t, c, "returns").Status.Management.LeftAlone, []string{"Service/returns-rw"})
	}
	eventually(t, "the status names what is left alone", alone)
	aPersonChanges(t, c, "returns-rw")
	platformSays(t, c, platformv1alpha1.PlatformSpec{})
	found := managed(t, c, "returns", metav1.ConditionTrue, v1alpha1.ReasonDriftReported)
	if !portDiffers(found.Status.Management.Drift, "returns-rw") || !alone() {
		t.Errorf("the status says %+v", found.Status.Management)
	}
	aPersonChanges(t, c, "returns-ro")
	eventually(t, "the other Service is put back", func() bool { return port(t, c, "returns-ro") == naming.PortPostgres })
	specified(t, c, "returns", `{"team":"commerce"}`)
	eventually(t, "the other Service has the team", func() bool { return exists[corev1.Service](t, c, "returns-ro").Labels[naming.LabelTeam] == "commerce" })
	if port(t, c, "returns-rw") != 1234 {
		t.Error("it was put back, although it was only to be reported")
	}
	if event := told(t, c, "returns", v1alpha1.ReasonDriftReported); event.Related == nil || event.Related.Name != "returns-rw" {
		t.Errorf("the event is about %v: %s", event.Related, event.Note)
	}
	specified(t, c, "returns", `{"resumePolicy":"Enforce"}`)
	eventually(t, "it is put back", func() bool { return port(t, c, "returns-rw") == naming.PortPostgres })
	if found = managed(t, c, "returns", metav1.ConditionTrue, v1alpha1.ReasonManaged); len(found.Status.Management.LeftAlone) > 0 || found.Status.Management.Told != nil {
		t.Errorf("afterwards the status says %+v", found.Status.Management)
	}
	if event := told(t, c, "returns", v1alpha1.ReasonHandedBack); !strings.Contains(event.Note, "Service/returns-rw handed back") || !strings.Contains(event.Note, "1234, wanted 5432") {
		t.Errorf("the event says %q", event.Note)
	}
}

func TestDriftOfSecretsPodsAndOfWhatIsNotWantedIsToldWithoutShowingASecret(t *testing.T) {
	c := operatorRuns(t)
	leftAlone(t, c, "looked-into")
	role := naming.RoleSecret("looked-into", naming.DefaultRole)
	patch := func(target client.Object, content string) {
		t.Helper()
		if err := c.Patch(t.Context(), target, client.RawPatch(types.MergePatchType, []byte(content))); err != nil {
			t.Fatal(err)
		}
	}
	patch(exists[corev1.Secret](t, c, role), `{"metadata":{"labels":{"timonier.io/component":"mine"}},"stringData":{"host":"localhost"},"data":{"port":null}}`)
	patch(exists[corev1.Secret](t, c, naming.Certificates("looked-into")), `{"stringData":{"server.crt":"scribbled"}}`)
	pod := exists[corev1.Pod](t, c, "looked-into-1")
	patch(pod, `{"metadata":{"labels":{"timonier.io/instance":"mine"}}}`)
	patch(pod, fmt.Sprintf(`{"spec":{"containers":[%s]}}`, imageSet(t, pod, "registry.example/mine:1")))
	surplus := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "looked-into-more", Labels: map[string]string{naming.LabelCluster: "looked-into"},
		OwnerReferences: pod.OwnerReferences}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
	if err := c.Create(t.Context(), surplus); err != nil {
		t.Fatal(err)
	}
	specified(t, c, "looked-into", `{"managementState":"Managed","resumePolicy":"Report"}`)
	found := managed(t, c, "looked-into", metav1.ConditionFalse, v1alpha1.ReasonDriftReported)
	drift := found.Status.Management.Drift
	for _, want := range []contract.Drift{
		{Kind: "Secret", Name: role, Field: "data.host", Found: "changed", Wanted: "not shown"},
		{Kind: "Secret", Name: role, Field: "data.port", Wanted: "not shown"},
		{Kind: "Secret", Name: role, Field: "metadata.labels[timonier.io/component]", Found: "mine", Wanted: "credentials"},
		{Kind: "Secret", Name: naming.Certificates("looked-into"), Field: "data", Found: "changed, and damaged", Wanted: "not shown"},
		{Kind: "Pod", Name: "looked-into-1", Field: "metadata.labels[timonier.io/instance]", Found: "mine", Wanted: "looked-into-1"},
		{Kind: "Service", Name: "looked-into-more", Found: "exists"},
	} {
		if !slices.Contains(drift, want) {
			t.Errorf("%+v is not in the drift", want)
		}
	}
	if !slices.ContainsFunc(drift, func(d contract.Drift) bool {
		return d.Kind == "Pod" && strings.HasSuffix(d.Field, ".image") && d.Found == "registry.example/mine:1"
	}) {
		t.Errorf("the pod's image is not in the drift")
	}
	if t.Failed() {
		t.Logf("the drift is %+v", drift)
	}
	if password := string(exists[corev1.Secret](t, c, role).Data["password"]); strings.Contains(fmt.Sprint(found.Status), password) {
		t.Error("the status shows a password")
	}
	if degraded := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionReady); degraded.Status != metav1.ConditionUnknown {
		t.Errorf("Ready is %+v", degraded)
	}
}

// imageSet is the list of a pod's containers, as JSON, with this image in the first.
func imageSet(t *testing.T, pod *corev1.Pod, image string) string {
	t.Helper()
	var containers []string
	for i := range pod.Spec.Containers {
		changed := pod.Spec.Containers[i].DeepCopy()
		if i == 0 {
			changed.Image = image
		}
		content, err := json.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		containers = append(containers, string(content))
	}
	return strings.Join(containers, ",")
}
