//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// roomy is a node that takes any pod, so that a primary's may be replaced.
func roomy(t *testing.T, c client.Client) {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "roomy"}}
	if err := c.Create(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.Background(), node) }) // the API server ends with the tests
	// The API server gives each new node a taint, until its kubelet has reported.
	ready := node.DeepCopy()
	ready.Spec.Taints = nil
	if err := c.Patch(t.Context(), ready, client.MergeFrom(node)); err != nil {
		t.Fatal(err)
	}
	offers := ready.DeepCopy()
	offers.Status.Allocatable = corev1.ResourceList{"cpu": *quantity(t, "64"), "memory": *quantity(t, "256Gi"), "pods": *quantity(t, "110"), "ephemeral-storage": *quantity(t, "1Ti")}
	if err := c.Status().Patch(t.Context(), offers, client.MergeFrom(ready)); err != nil {
		t.Fatal(err)
	}
}

// replaced waits until the pod is another one than before, and has it run.
func replaced(t *testing.T, c client.Client, name, address string, before types.UID) {
	t.Helper()
	eventually(t, name+" is replaced", func() bool {
		pod := &corev1.Pod{}
		return c.Get(t.Context(), key(name), pod) == nil && pod.UID != before && pod.DeletionTimestamp == nil
	})
	running(t, c, name, address)
}

func TestThePrimaryHandsOverBeforeItsPodIsReplaced(t *testing.T) {
	c := operatorRuns(t)
	roomy(t, c)
	w := trioOf(t, c, "roll", 89)
	heirs := make(chan string, 99)
	w.instances["roll-1"].will(instanceapi.PathSwitchover, func(_ *instance, body []byte) *instanceapi.RefusedError {
		var request instanceapi.SwitchoverRequest
		_ = json.Unmarshal(body, &request) // an empty name fails the test
		heirs <- request.To
		return nil
	})
	former := map[string]types.UID{}
	for i := range 3 {
		name := fmt.Sprintf("roll-%d", i+1)
		former[name] = exists[corev1.Pod](t, c, name).UID
	}
	edited(t, c, "roll", func(p *v1alpha1.PostgresCluster) {
		p.Spec.Resources.Requests = corev1.ResourceList{"cpu": *quantity(t, "250m")}
	})
	replaced(t, c, "roll-2", "127.0.89.2", former["roll-2"])
	replaced(t, c, "roll-3", "127.0.89.3", former["roll-3"])
	eventually(t, "the primary is asked to hand over", func() bool { return len(heirs) > 0 })
	if heir := <-heirs; heir != "roll-2" {
		t.Errorf("the primary is to hand over to %q", heir)
	}
	if exists[corev1.Pod](t, c, "roll-1").UID != former["roll-1"] {
		t.Error("its pod is gone before another one leads")
	}
	w.leads(t, "roll-2")
	replaced(t, c, "roll-1", "127.0.89.1", former["roll-1"])
}

func TestAnInstanceManagerThatCannotHandOverIsReplacedAsItLeads(t *testing.T) {
	c := operatorRuns(t)
	roomy(t, c)
	w := trioOf(t, c, "older", 90)
	w.instances["older-1"].will(instanceapi.PathSwitchover, refusing(http.StatusNotFound, ""))
	former := map[string]types.UID{}
	for i := range 3 {
		name := fmt.Sprintf("older-%d", i+1)
		former[name] = exists[corev1.Pod](t, c, name).UID
	}

	// While an operation runs, no instance is stopped beside it.
	w.instances["older-2"].will(instanceapi.PathReinitialize, func(*instance, []byte) *instanceapi.RefusedError { return nil })
	ordered(t, c, "slow", v1alpha1.PostgresOperationSpec{ClusterRef: v1alpha1.ClusterReference{Name: "older"}, Type: v1alpha1.OperationReinitialize,
		Reinitialize: &v1alpha1.ReinitializeOperation{Instance: "older-2"}})
	eventually(t, "the operation runs", func() bool { return exists[v1alpha1.PostgresOperation](t, c, "slow").Status.RequestedAt != nil })
	edited(t, c, "older", func(p *v1alpha1.PostgresCluster) {
		p.Spec.Resources.Requests = corev1.ResourceList{"cpu": *quantity(t, "250m")}
	})
	conditionIs(t, c, "older", v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonRolling)
	if exists[corev1.Pod](t, c, "older-2").UID != former["older-2"] {
		t.Error("an instance is stopped while an operation runs")
	}
	w.instances["older-2"].change(func(status *instanceapi.Status) { status.Volume.Incarnation = "cloned" })
	ended(t, c, "slow", "Succeeded Done")

	replaced(t, c, "older-2", "127.0.90.2", former["older-2"])
	replaced(t, c, "older-3", "127.0.90.3", former["older-3"])
	replaced(t, c, "older-1", "127.0.90.1", former["older-1"])
}

func TestNoInstanceIsRemovedBesideAnOperation(t *testing.T) {
	c := operatorRuns(t)
	w := trioOf(t, c, "shrink", 96)
	w.instances["shrink-2"].will(instanceapi.PathReinitialize, func(*instance, []byte) *instanceapi.RefusedError { return nil })
	ordered(t, c, "anew", v1alpha1.PostgresOperationSpec{ClusterRef: v1alpha1.ClusterReference{Name: "shrink"}, Type: v1alpha1.OperationReinitialize,
		Reinitialize: &v1alpha1.ReinitializeOperation{Instance: "shrink-2"}})
	eventually(t, "the operation runs", func() bool { return exists[v1alpha1.PostgresOperation](t, c, "anew").Status.RequestedAt != nil })
	edited(t, c, "shrink", func(p *v1alpha1.PostgresCluster) { *p.Spec.Instances = 2 })
	conditionIs(t, c, "shrink", v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonScaling)
	eventually(t, "it says what is waited for", func() bool {
		condition := meta.FindStatusCondition(exists[v1alpha1.PostgresCluster](t, c, "shrink").Status.Conditions, v1alpha1.ConditionReconciling)
		return condition != nil && condition.Message == "instance shrink-3 is removed when the operation anew has ended"
	})
	if pod := exists[corev1.Pod](t, c, "shrink-3"); !pod.DeletionTimestamp.IsZero() {
		t.Error("an instance is removed while an operation runs")
	}
	w.instances["shrink-2"].change(func(status *instanceapi.Status) { status.Volume.Incarnation = "cloned" })
	ended(t, c, "anew", "Succeeded Done")
	eventually(t, "the instance is removed", func() bool {
		return apierrors.IsNotFound(c.Get(t.Context(), key("shrink-3"), &corev1.Pod{}))
	})
}
