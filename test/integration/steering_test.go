//go:build integration

package integration

import (
	"context"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// specified has the cluster's spec patched.
func specified(t *testing.T, c client.Client, name, patch string) {
	t.Helper()
	target := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	if err := c.Patch(t.Context(), target, client.RawPatch(types.MergePatchType, []byte(`{"spec":`+patch+`}`))); err != nil {
		t.Fatal(err)
	}
}

// managed waits for the condition Managed of this status and reason, for the present generation.
func managed(t *testing.T, c client.Client, name string, status metav1.ConditionStatus, reason string) *v1alpha1.PostgresCluster {
	t.Helper()
	found := &v1alpha1.PostgresCluster{}
	eventually(t, name+": Managed is "+string(status)+", "+reason, func() bool {
		if c.Get(t.Context(), key(name), found) != nil {
			return false
		}
		condition := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionManaged)
		return condition != nil && condition.Status == status && condition.Reason == reason && found.Status.ObservedGeneration == found.Generation
	})
	return found
}

// platformSays has the Platform's spec be this until the end of the test.
func platformSays(t *testing.T, c client.Client, spec platformv1alpha1.PlatformSpec) {
	t.Helper()
	platform := &platformv1alpha1.Platform{ObjectMeta: metav1.ObjectMeta{Name: platformv1alpha1.SingletonName}, Spec: spec}
	err := c.Create(t.Context(), platform)
	if apierrors.IsAlreadyExists(err) {
		present := &platformv1alpha1.Platform{}
		if err := c.Get(t.Context(), client.ObjectKey{Name: platformv1alpha1.SingletonName}, present); err != nil {
			t.Fatal(err)
		}
		present.Spec = spec
		err = c.Update(t.Context(), present)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.Background(), platform) }) // the API server ends with the tests
}

// aPersonChanges the port of a cluster's Service.
func aPersonChanges(t *testing.T, c client.Client, service string) {
	t.Helper()
	found := exists[corev1.Service](t, c, service)
	found.Spec.Ports[0].Port = 1234
	if err := c.Update(t.Context(), found); err != nil {
		t.Fatal(err)
	}
}

func port(t *testing.T, c client.Client, service string) int32 {
	t.Helper()
	return exists[corev1.Service](t, c, service).Spec.Ports[0].Port
}

func TestAClusterThatIsLeftAloneStaysAsAPersonMadeItAndIsMendedOnceHandedBack(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "alone", "instances: 2")
	exists[corev1.Pod](t, c, "alone-2")
	managed(t, c, "alone", metav1.ConditionTrue, v1alpha1.ReasonManaged)
	specified(t, c, "alone", `{"managementState":"Unmanaged"}`)
	found := managed(t, c, "alone", metav1.ConditionFalse, v1alpha1.ReasonUnmanaged)
	if ready := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionReady); ready.Status != metav1.ConditionUnknown || ready.Reason != v1alpha1.ReasonUnmanaged {
		t.Errorf("Ready is %+v", ready)
	}
	if found.Status.ManagementState != contract.Unmanaged || found.Status.Management.By != "spec.managementState" || found.Status.Management.Since == nil {
		t.Errorf("the status says %q, %+v", found.Status.ManagementState, found.Status.Management)
	}
	told(t, c, "alone", v1alpha1.ReasonUnmanaged)

	aPersonChanges(t, c, "alone-rw")
	lost := exists[corev1.Pod](t, c, "alone-2")
	if err := c.Delete(t.Context(), lost, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	specified(t, c, "alone", `{"team":"commerce"}`)
	managed(t, c, "alone", metav1.ConditionFalse, v1alpha1.ReasonUnmanaged) // it has looked since
	eventually(t, "0 of 2, hands off", func() bool {
		degraded := meta.FindStatusCondition(exists[v1alpha1.PostgresCluster](t, c, "alone").Status.Conditions, v1alpha1.ConditionDegraded)
		return degraded != nil && degraded.Reason == v1alpha1.ReasonHandsOff && strings.Contains(degraded.Message, "0 of 2, hands off")
	})
	if port(t, c, "alone-rw") != 1234 || exists[corev1.Service](t, c, "alone-rw").Labels[naming.LabelTeam] != "" {
		t.Error("the Service was changed")
	}
	if err := c.Get(t.Context(), key("alone-2"), &corev1.Pod{}); !apierrors.IsNotFound(err) {
		t.Errorf("the pod that is missing: %v", err)
	}

	specified(t, c, "alone", `{"managementState":"Managed","resumePolicy":"Report"}`)
	found = managed(t, c, "alone", metav1.ConditionFalse, v1alpha1.ReasonDriftReported)
	drifted := func(d contract.Drift) bool {
		return d.Kind == "Service" && d.Name == "alone-rw" && strings.HasPrefix(d.Field, "spec.ports")
	}
	if !slices.ContainsFunc(found.Status.Management.Drift, drifted) || !slices.ContainsFunc(found.Status.Management.Drift, func(d contract.Drift) bool { return d.Kind == "Pod" && d.Name == "alone-2" }) {
		t.Errorf("the drift is %+v", found.Status.Management.Drift)
	}
	if port(t, c, "alone-rw") != 1234 {
		t.Error("it was put back, although it was only to be reported")
	}

	specified(t, c, "alone", `{"resumePolicy":"Enforce"}`)
	managed(t, c, "alone", metav1.ConditionTrue, v1alpha1.ReasonManaged)
	eventually(t, "port 5432", func() bool { return port(t, c, "alone-rw") == naming.PortPostgres })
	exists[corev1.Pod](t, c, "alone-2")
	if event := told(t, c, "alone", v1alpha1.ReasonHandedBack); !strings.Contains(event.Note, "Service/alone-rw spec.ports") {
		t.Errorf("the event says %q", event.Note)
	}
}

func TestAnOverrideOfOneServiceLeavesThatAloneAndPreventsUpgrades(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "partly", "instances: 1")
	exists[corev1.Service](t, c, "partly-ro")
	platformSays(t, c, platformv1alpha1.PlatformSpec{Overrides: []contract.Override{{Kind: "Service", Namespace: "shop", Name: "partly-rw", Unmanaged: true}}})
	eventually(t, "the status names what is left alone", func() bool {
		alone := exists[v1alpha1.PostgresCluster](t, c, "partly").Status.Management.LeftAlone
		return len(alone) == 1 && alone[0] == "Service/partly-rw"
	})
	if event := told(t, c, "partly", v1alpha1.ReasonLeftAlone); !strings.Contains(event.Note, "Service/partly-rw: left alone") {
		t.Errorf("the event says %q", event.Note)
	}
	found := managed(t, c, "partly", metav1.ConditionTrue, v1alpha1.ReasonManaged)
	if condition := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionManaged); !strings.Contains(condition.Message, "but for Service/partly-rw") {
		t.Errorf("Managed says %q", condition.Message)
	}
	aPersonChanges(t, c, "partly-rw")
	aPersonChanges(t, c, "partly-ro")
	eventually(t, "the other Service is put back", func() bool { return port(t, c, "partly-ro") == naming.PortPostgres })
	specified(t, c, "partly", `{"team":"commerce"}`)
	eventually(t, "the other Service has the team", func() bool { return exists[corev1.Service](t, c, "partly-ro").Labels[naming.LabelTeam] == "commerce" })
	if port(t, c, "partly-rw") != 1234 || exists[corev1.Service](t, c, "partly-rw").Labels[naming.LabelTeam] != "" {
		t.Error("the Service that is to be left alone was changed")
	}
	upgradeable(t, c, metav1.ConditionFalse, "Service shop/partly-rw")

	platformSays(t, c, platformv1alpha1.PlatformSpec{})
	eventually(t, "it is put back", func() bool { return port(t, c, "partly-rw") == naming.PortPostgres })
	upgradeable(t, c, metav1.ConditionTrue, "can be upgraded")
}

// upgradeable waits for that condition of the Platform.
func upgradeable(t *testing.T, c client.Client, status metav1.ConditionStatus, says string) {
	t.Helper()
	eventually(t, "Upgradeable is "+string(status)+", and says "+says, func() bool {
		platform := &platformv1alpha1.Platform{}
		if c.Get(t.Context(), client.ObjectKey{Name: platformv1alpha1.SingletonName}, platform) != nil {
			return false
		}
		condition := meta.FindStatusCondition(platform.Status.Conditions, platformv1alpha1.ConditionUpgradeable)
		return condition != nil && condition.Status == status && strings.Contains(condition.Message, says)
	})
}

func TestThePlatformLeavesAllAloneAndHandsAllBack(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "everybody", "instances: 1")
	managed(t, c, "everybody", metav1.ConditionTrue, v1alpha1.ReasonManaged)
	platformSays(t, c, platformv1alpha1.PlatformSpec{ManagementState: contract.Unmanaged})
	if found := managed(t, c, "everybody", metav1.ConditionFalse, v1alpha1.ReasonUnmanaged); found.Status.Management.By != "spec.managementState of the Platform" {
		t.Errorf("by %q", found.Status.Management.By)
	}
	platformSays(t, c, platformv1alpha1.PlatformSpec{})
	managed(t, c, "everybody", metav1.ConditionTrue, v1alpha1.ReasonManaged)
}

func TestAClusterIsRemovedInStepsOnceItsNameIsTyped(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "goner", "instances: 1")
	exists[corev1.Pod](t, c, "goner-1")
	specified(t, c, "goner", `{"managementState":"Removed"}`)
	eventually(t, "RemovePending", func() bool {
		pending := meta.FindStatusCondition(exists[v1alpha1.PostgresCluster](t, c, "goner").Status.Conditions, v1alpha1.ConditionRemovePending)
		return pending != nil && pending.Reason == v1alpha1.ReasonConfirmationMissing && strings.Contains(pending.Message, "goner")
	})
	exists[corev1.Service](t, c, "goner-rw")
	target := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "goner"}}
	mustSay(t, c.Patch(t.Context(), target, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"removalConfirmation":"shop"}}`))), "type the name of this cluster")

	specified(t, c, "goner", `{"removalConfirmation":"goner"}`)
	eventually(t, "it is removed", func() bool {
		// There is no kubelet that would end the pod.
		if pod := (&corev1.Pod{}); c.Get(t.Context(), key("goner-1"), pod) == nil && !pod.DeletionTimestamp.IsZero() {
			_ = c.Delete(t.Context(), pod, client.GracePeriodSeconds(0)) // it is looked for again
		}
		ready := meta.FindStatusCondition(exists[v1alpha1.PostgresCluster](t, c, "goner").Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason == v1alpha1.ReasonRemoved
	})
	for name, gone := range map[string]client.Object{"goner-rw": &corev1.Service{}, "goner-1": &corev1.Pod{}} {
		if err := c.Get(t.Context(), key(name), gone); !apierrors.IsNotFound(err) {
			t.Errorf("%T is still there: %v", gone, err)
		}
	}
	exists[corev1.PersistentVolumeClaim](t, c, "goner-1")
	exists[corev1.Secret](t, c, naming.RoleSecret("goner", naming.DefaultRole))
	specified(t, c, "goner", `{"managementState":"Managed","removalConfirmation":null}`)
	exists[corev1.Service](t, c, "goner-rw")
	exists[corev1.Pod](t, c, "goner-1")
}

func TestOnAClusterThatIsLeftAloneCertificatesAreRenewedOnRequestAndOtherOperationsWait(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "expires", "instances: 1")
	exists[corev1.Pod](t, c, "expires-1")
	specified(t, c, "expires", `{"managementState":"Unmanaged"}`)
	managed(t, c, "expires", metav1.ConditionFalse, v1alpha1.ReasonUnmanaged)
	before := exists[corev1.Secret](t, c, naming.Certificates("expires"))
	ask := func(kind v1alpha1.OperationType) *v1alpha1.PostgresOperation {
		operation := &v1alpha1.PostgresOperation{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", GenerateName: "expires-"}}
		operation.Spec.ClusterRef.Name, operation.Spec.Type = "expires", kind
		if err := c.Create(t.Context(), operation); err != nil {
			t.Fatal(err)
		}
		return operation
	}
	restart, renewal := ask(v1alpha1.OperationRestart), ask(v1alpha1.OperationRenewCertificates)
	eventually(t, "the certificates are issued anew", func() bool {
		found := exists[v1alpha1.PostgresOperation](t, c, renewal.Name)
		return found.Status.Summary.State == "Succeeded"
	})
	if after := exists[corev1.Secret](t, c, naming.Certificates("expires")); string(after.Data["server.crt"]) == string(before.Data["server.crt"]) && after.ResourceVersion == before.ResourceVersion {
		t.Error("the operation succeeded, and the Secret is the same")
	}
	waiting := exists[v1alpha1.PostgresOperation](t, c, restart.Name)
	if accepted := meta.FindStatusCondition(waiting.Status.Conditions, v1alpha1.ConditionAccepted); accepted == nil || accepted.Reason != v1alpha1.ReasonClusterUnmanaged || waiting.Status.FinishedAt != nil {
		t.Errorf("the restart: %+v", waiting.Status)
	}
}

func TestWhatIsChangedInTheSpecOfAClusterThatIsLeftAloneIsNotAnswered(t *testing.T) {
	c := operatorRuns(t)
	w := trioOf(t, c, "unanswered", 103)
	has := func(value string) bool {
		for _, instance := range w.instances {
			if instance.inForce().Parameters["log_min_duration_statement"] != value {
				return false
			}
		}
		return true
	}
	specified(t, c, "unanswered", `{"parameters":{"log_min_duration_statement":1001}}`)
	eventually(t, "a managed cluster is answered", func() bool { return has("1001") })

	unmanaged(t, c, "unanswered")
	specified(t, c, "unanswered", `{"parameters":{"log_min_duration_statement":1002},"instances":4,"image":"registry.example/other:17","team":"other"}`)
	for range 2 {
		managed(t, c, "unanswered", metav1.ConditionFalse, v1alpha1.ReasonUnmanaged) // by the new generation
		lookedAgain(t, c, "unanswered")
	}
	found := managed(t, c, "unanswered", metav1.ConditionFalse, v1alpha1.ReasonUnmanaged)
	if !has("1001") {
		t.Error("instances got another configuration")
	}
	if found.Status.Management.HonouredGeneration >= found.Generation-1 {
		t.Errorf("generation %d, and the status says that %d was brought into force", found.Generation, found.Status.Management.HonouredGeneration)
	}
	for name, object := range map[string]client.Object{"unanswered-4": &corev1.Pod{}, naming.DataVolume("unanswered-4"): &corev1.PersistentVolumeClaim{}} {
		if err := c.Get(t.Context(), key(name), object); !apierrors.IsNotFound(err) {
			t.Errorf("%T %s: %v", object, name, err)
		}
	}
	if pod := exists[corev1.Pod](t, c, "unanswered-1"); !pod.DeletionTimestamp.IsZero() || pod.Spec.Containers[0].Image == "registry.example/other:17" {
		t.Errorf("the pod was touched: %v", pod.ObjectMeta)
	}

	specified(t, c, "unanswered", `{"managementState":"Managed","instances":3,"image":null}`)
	eventually(t, "it is answered once it is handed back", func() bool { return has("1002") })
}
