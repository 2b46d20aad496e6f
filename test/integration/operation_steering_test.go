//go:build integration

package integration

import (
	"sync/atomic"
	"testing"
	"time"

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

	leftAlone(t, c, "later")
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
