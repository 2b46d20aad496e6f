//go:build integration

package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// forbidden has an admission policy refuse the Service of this name, until it is lifted.
func forbidden(t *testing.T, c client.Client, service string) (lifted func()) {
	t.Helper()
	return refused(t, c, fmt.Sprintf("object.metadata.name != %q", service), service)
}

// refused has an admission policy refuse Services but those of which this is true, until it is lifted. One that it refuses shows when it is in force.
func refused(t *testing.T, c client.Client, takes, service string) (lifted func()) {
	t.Helper()
	fail, forbids := admissionv1.Fail, metav1.StatusReasonForbidden
	policy := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "no-" + service}, Spec: admissionv1.ValidatingAdmissionPolicySpec{
		FailurePolicy: &fail,
		MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
			Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
			Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"services"}},
		}}}},
		Validations: []admissionv1.Validation{{Expression: takes, Message: "nobody may have this Service", Reason: &forbids}},
	}}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: policy.Name}, Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: policy.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
	}}
	for _, object := range []client.Object{policy, binding} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	probe := func() error {
		return c.Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: service}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}, client.DryRunAll)
	}
	eventually(t, "the policy is in force", func() bool { err := probe(); return err != nil && strings.Contains(err.Error(), "nobody may have") })
	lift := func() {
		for _, object := range []client.Object{binding, policy} {
			_ = c.Delete(context.Background(), object) // twice, where a test lifts it before its end
		}
	}
	t.Cleanup(lift)
	return func() {
		lift()
		eventually(t, "the policy is lifted", func() bool { err := probe(); return err == nil || !strings.Contains(err.Error(), "nobody may have") })
	}
}

// quarantined waits until the phase network of the cluster is in quarantine; meanwhile the operator's clock runs fast.
func quarantined(t *testing.T, c client.Client, name string) *v1alpha1.PostgresCluster {
	t.Helper()
	found := &v1alpha1.PostgresCluster{}
	eventuallyWithin(t, time.Minute, "the network of "+name+" is in quarantine", func() bool {
		pass(10 * time.Second)
		return c.Get(t.Context(), key(name), found) == nil && len(found.Status.Quarantine) == 1 && found.Status.Quarantine[0].Phase == "network" && !found.Status.Quarantine[0].Trying
	})
	return found
}

func TestWhatKeepsFailingIsSuspendedAndAllElseGoesOn(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "poisoned", "instances: 1")
	exists[corev1.Pod](t, c, "poisoned-1")
	lift := forbidden(t, c, "poisoned-ro")
	// As of an instance that ran.
	claim := exists[corev1.PersistentVolumeClaim](t, c, "poisoned-1")
	if err := c.Patch(t.Context(), claim, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"7"}}}`, naming.AnnotationSystem))); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), exists[corev1.Service](t, c, "poisoned-ro")); err != nil {
		t.Fatal(err)
	}
	found := quarantined(t, c, "poisoned")
	entry := found.Status.Quarantine[0]
	if entry.Reason != "Forbidden" || entry.Count < 10 || !strings.Contains(entry.Message, "nobody may have this Service") {
		t.Errorf("the status says %+v", entry)
	}
	for _, kind := range []string{v1alpha1.ConditionQuarantined, v1alpha1.ConditionStalled} {
		condition := meta.FindStatusCondition(found.Status.Conditions, kind)
		if condition == nil || condition.Status != metav1.ConditionTrue || condition.Reason != v1alpha1.ReasonRetriesExhausted || !strings.Contains(condition.Message, "kubectl timonier release poisoned -n shop") {
			t.Errorf("%s is %+v", kind, condition)
		}
	}
	told(t, c, "poisoned", v1alpha1.ReasonRetriesExhausted)
	eventually(t, "its label", func() bool {
		return exists[v1alpha1.PostgresCluster](t, c, "poisoned").Labels[naming.LabelQuarantined] == "true"
	})

	lost := exists[corev1.Pod](t, c, "poisoned-1")
	if err := c.Delete(t.Context(), lost, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the lost pod comes back", func() bool {
		pod := &corev1.Pod{}
		return c.Get(t.Context(), key("poisoned-1"), pod) == nil && pod.UID != lost.UID
	})

	// Asked for too early, it goes back.
	released := func(token string) {
		t.Helper()
		target := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "poisoned"}}
		if err := c.Patch(t.Context(), target, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, naming.AnnotationRelease, token))); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the token is echoed", func() bool { return exists[v1alpha1.PostgresCluster](t, c, "poisoned").Status.Released == token })
	}
	released("first")
	eventually(t, "it is back", func() bool {
		q := exists[v1alpha1.PostgresCluster](t, c, "poisoned").Status.Quarantine
		return len(q) == 1 && q[0].Attempts == 1 && !q[0].Trying
	})
	lift()
	released("second")
	eventually(t, "it is over", func() bool {
		found := exists[v1alpha1.PostgresCluster](t, c, "poisoned")
		return len(found.Status.Quarantine)+len(found.Status.Failures) == 0 && meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionQuarantined) == nil &&
			found.Labels[naming.LabelQuarantined] == ""
	})
	exists[corev1.Service](t, c, "poisoned-ro")
	told(t, c, "poisoned", v1alpha1.ReasonRecovered)
}

func TestEnteringQuarantineIsOneWriteThatSaysAll(t *testing.T) {
	c := operatorRuns(t)
	lift := forbidden(t, c, "entering-ro")
	defer lift()
	given(t, c, "entering-password", map[string][]byte{"password": []byte("a good one")})
	asked(t, c, "entering", "instances: 1\nroles: [{name: clerk, passwordSecretRef: {name: entering-password}}]")
	watching, err := client.NewWithWatch(server.config, client.Options{Scheme: c.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	versions, err := watching.Watch(t.Context(), &v1alpha1.PostgresClusterList{}, client.InNamespace("shop"), client.MatchingFields{"metadata.name": "entering"})
	if err != nil {
		t.Fatal(err)
	}
	defer versions.Stop()
	quarantined(t, c, "entering")
	workedOn(t, c, "entering")
	found := exists[v1alpha1.PostgresCluster](t, c, "entering")

	var first *v1alpha1.PostgresCluster
	for version := range versions.ResultChan() {
		cluster, ok := version.Object.(*v1alpha1.PostgresCluster)
		if !ok {
			t.Fatalf("the watch ended: %v", version.Object)
		}
		if first == nil && len(cluster.Status.Quarantine) > 0 {
			first = cluster
		}
		if cluster.ResourceVersion == found.ResourceVersion {
			break
		}
	}
	if diff := cmp.Diff(first.Status, found.Status); diff != "" {
		t.Errorf("it was put into quarantine, looked at again, and written again (-at first +then):\n%s", diff)
	}
	if first.Status.Quarantine[0].References == "" {
		t.Errorf("what the spec names is not known: %+v", first.Status.Quarantine[0])
	}
	// Its pod is waited for, as nothing runs it here.
	if working := meta.FindStatusCondition(first.Status.Conditions, v1alpha1.ConditionReconciling); working == nil || working.Reason != v1alpha1.ReasonStarting {
		t.Errorf("what is suspended is not being retried: %+v", working)
	}
}

func TestWhatIsInQuarantineIsTriedAgainByItselfAndByAChangeOfTheSpec(t *testing.T) {
	c := operatorRuns(t)
	lift := forbidden(t, c, "patient-ro")
	asked(t, c, "patient", "instances: 1")
	quarantined(t, c, "patient")
	specified(t, c, "patient", `{"team":"commerce"}`)
	eventually(t, "it was tried for the new spec", func() bool {
		q := exists[v1alpha1.PostgresCluster](t, c, "patient").Status.Quarantine
		return len(q) == 1 && q[0].Attempts == 1 && q[0].Generation == exists[v1alpha1.PostgresCluster](t, c, "patient").Generation
	})
	lift()
	pass(time.Hour + time.Minute)
	// Time that passes is no event; anything that is brings the operator to look.
	if err := c.Delete(t.Context(), exists[corev1.Service](t, c, "patient-rw")); err != nil {
		t.Fatal(err)
	}
	exists[corev1.Service](t, c, "patient-ro")
	exists[corev1.Pod](t, c, "patient-1")
}
