//go:build integration

package integration

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// waits until the operation does so for hands off, by this condition: Running of one that was begun, Accepted of another.
func waits(t *testing.T, c client.Client, name, condition string, status metav1.ConditionStatus) {
	t.Helper()
	eventually(t, name+" waits for hands off", func() bool {
		is := meta.FindStatusCondition(exists[v1alpha1.PostgresOperation](t, c, name).Status.Conditions, condition)
		return is != nil && is.Status == status && is.Reason == v1alpha1.ReasonClusterUnmanaged
	})
}

func TestOperationsWaitForHandsOffAndRunInTheirOrderOnceTheClusterIsHandedBack(t *testing.T) {
	c := operatorRuns(t)
	w := trioOf(t, c, "later", 101)
	var restarts, switchovers atomic.Int32
	var busy atomic.Bool
	busy.Store(true)
	w.instances["later-2"].will(instanceapi.PathRestart, func(i *instance, body []byte) *instanceapi.RefusedError {
		if busy.Load() {
			return refusing(409, "Busy")(i, body)
		}
		restarts.Add(1)
		return restarted(i, body)
	})
	w.instances["later-1"].will(instanceapi.PathSwitchover, func(i *instance, body []byte) *instanceapi.RefusedError {
		switchovers.Add(1)
		return restarted(i, body)
	})
	cluster := v1alpha1.ClusterReference{Name: "later"}
	ordered(t, c, "later-restart", v1alpha1.PostgresOperationSpec{ClusterRef: cluster, Type: v1alpha1.OperationRestart, Restart: &v1alpha1.RestartOperation{Instance: "later-2"}})
	eventually(t, "the restart is begun", func() bool {
		return exists[v1alpha1.PostgresOperation](t, c, "later-restart").Status.StartedAt != nil
	})

	unmanaged(t, c, "later")
	waits(t, c, "later-restart", v1alpha1.ConditionRunning, metav1.ConditionTrue)
	busy.Store(false)
	ordered(t, c, "later-switchover", v1alpha1.PostgresOperationSpec{ClusterRef: cluster, Type: v1alpha1.OperationSwitchover, Switchover: &v1alpha1.SwitchoverOperation{To: "later-3"}})
	waits(t, c, "later-switchover", v1alpha1.ConditionAccepted, metav1.ConditionUnknown)
	// Neither keeps from its turn what may be done meanwhile.
	renewal(t, c, "later", "later-renewal")
	ended(t, c, "later-renewal", "Succeeded Done")
	pass(time.Hour)
	if restarts.Load()+switchovers.Load() > 0 {
		t.Errorf("%d restarts and %d switchovers were asked for, hands off", restarts.Load(), switchovers.Load())
	}

	specified(t, c, "later", `{"managementState":"Managed"}`)
	eventuallyWithin(t, time.Minute, "the restart goes on", func() bool {
		return exists[v1alpha1.PostgresOperation](t, c, "later-restart").Status.FinishedAt != nil
	})
	if done := ended(t, c, "later-restart", "Succeeded Done"); done.Status.ResumedAt == nil || restarts.Load() != 1 {
		t.Errorf("%d restarts, %+v", restarts.Load(), done.Status)
	}
	eventually(t, "the switchover has its turn", func() bool { return switchovers.Load() == 1 })
	w.leads(t, "later-3")
	ended(t, c, "later-switchover", "Succeeded Done")
}

func TestAnOperationThatIsAskedForRightAfterTheWheelWasTakenDoesNothing(t *testing.T) {
	c := operatorRuns(t)
	w := trioOf(t, c, "swift", 102)
	var asks atomic.Int32
	w.instances["swift-1"].will(instanceapi.PathSwitchover, func(*instance, []byte) *instanceapi.RefusedError {
		asks.Add(1)
		return nil
	})
	managed(t, c, "swift", metav1.ConditionTrue, v1alpha1.ReasonManaged)
	platformSays(t, c, platformv1alpha1.PlatformSpec{Overrides: []contract.Override{{Group: v1alpha1.GroupVersion.Group, Kind: "PostgresCluster", Namespace: "shop", Name: "swift", Unmanaged: true}}})
	ordered(t, c, "swift-to-2", v1alpha1.PostgresOperationSpec{ClusterRef: v1alpha1.ClusterReference{Name: "swift"}, Type: v1alpha1.OperationSwitchover, Switchover: &v1alpha1.SwitchoverOperation{To: "swift-2"}})
	waits(t, c, "swift-to-2", v1alpha1.ConditionAccepted, metav1.ConditionUnknown)
	managed(t, c, "swift", metav1.ConditionFalse, v1alpha1.ReasonUnmanaged)
	if asks.Load() > 0 {
		t.Error("the primary was asked to hand over")
	}
}

func TestAnOperationThatKeepsFailingIsGivenUpSoThatOthersHaveTheirTurn(t *testing.T) {
	c := operatorRuns(t)
	w := trioOf(t, c, "jammed", 104)
	w.instances["jammed-1"].will(instanceapi.PathSwitchover, func(*instance, []byte) *instanceapi.RefusedError {
		go w.leads(t, "jammed-2")
		return nil
	})
	// Its beginning is refused, as by an admission policy that is too strict; its end is not.
	denied(t, c, "jammed-cursed", "postgresoperations/status", "postgres.timonier.io", `object.metadata.name != "jammed-cursed" || !has(object.status.startedAt) || has(object.status.finishedAt)`)
	cluster := v1alpha1.ClusterReference{Name: "jammed"}
	ordered(t, c, "jammed-cursed", v1alpha1.PostgresOperationSpec{ClusterRef: cluster, Type: v1alpha1.OperationRestart})
	eventuallyWithin(t, 90*time.Second, "it is given up", func() bool {
		pass(10 * time.Second)
		return exists[v1alpha1.PostgresOperation](t, c, "jammed-cursed").Status.FinishedAt != nil
	})
	given := ended(t, c, "jammed-cursed", "Refused RetriesExhausted")
	if !strings.Contains(given.Status.Summary.Message, "this test refuses it") || !strings.Contains(given.Status.Summary.Message, "nothing was done") || len(given.Status.Failures) != 1 {
		t.Errorf("it says %+v, %+v", given.Status.Summary, given.Status.Failures)
	}
	ordered(t, c, "jammed-next", v1alpha1.PostgresOperationSpec{ClusterRef: cluster, Type: v1alpha1.OperationSwitchover, Switchover: &v1alpha1.SwitchoverOperation{To: "jammed-2"}})
	ended(t, c, "jammed-next", "Succeeded Done")
}

// denied has an admission policy refuse updates of this resource for which an expression does not hold, until the end of the test.
func denied(t *testing.T, c client.Client, name, resource, group, expression string) {
	t.Helper()
	fail, forbids := admissionv1.Fail, metav1.StatusReasonForbidden
	policy := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: admissionv1.ValidatingAdmissionPolicySpec{
		FailurePolicy: &fail,
		MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
			Operations: []admissionv1.OperationType{admissionv1.Update},
			Rule:       admissionv1.Rule{APIGroups: []string{group}, APIVersions: []string{"v1alpha1"}, Resources: []string{resource}},
		}}}},
		Validations: []admissionv1.Validation{{Expression: expression, Message: "this test refuses it", Reason: &forbids}},
	}}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
	}}
	for _, object := range []client.Object{policy, binding} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Delete(context.Background(), object) }) // the API server ends with the tests
	}
	probe := &v1alpha1.PostgresOperation{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec: v1alpha1.PostgresOperationSpec{ClusterRef: v1alpha1.ClusterReference{Name: "nobody"}, Type: v1alpha1.OperationRestart}}
	eventually(t, "the policy is in force", func() bool {
		made := probe.DeepCopy()
		if err := c.Create(t.Context(), made); err != nil {
			return false
		}
		changed := made.DeepCopy()
		changed.Status.StartedAt = &metav1.Time{Time: time.Unix(1, 0)}
		err := c.Status().Patch(t.Context(), changed, client.MergeFrom(made))
		_ = c.Delete(t.Context(), made) // it is made anew
		return err != nil && strings.Contains(err.Error(), "this test refuses it")
	})
}
