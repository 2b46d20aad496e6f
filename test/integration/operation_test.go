//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

const acceptsLoss = "I accept that promoting shop-2 loses what shop acknowledged and it has not received"

func TestWhatAnOperationMaySay(t *testing.T) {
	for i, test := range []struct{ name, spec, says string }{
		{"a switchover to the best", `{clusterRef: {name: shop}, type: Switchover}`, ""},
		{"a switchover", `{clusterRef: {name: shop}, type: Switchover, switchover: {to: shop-2}}`, ""},
		{"a restart of all", `{clusterRef: {name: shop}, type: Restart}`, ""},
		{"a restart", `{clusterRef: {name: shop}, type: Restart, restart: {instance: shop-2}, ttlSecondsAfterFinished: 60}`, ""},
		{"a standby anew", `{clusterRef: {name: shop}, type: Reinitialize, reinitialize: {instance: shop-2}}`, ""},
		{"a forced promotion", `{clusterRef: {name: shop}, type: ForcePromotion, forcePromotion: {instance: shop-2, acceptDataLoss: "` + acceptsLoss + `"}}`, ""},
		{"no cluster", `{type: Switchover}`, "spec.clusterRef: Required"},
		{"no type", `{clusterRef: {name: shop}}`, "spec.type: Required"},
		{"a type that there is not", `{clusterRef: {name: shop}, type: Failover}`, "supported values"},
		{"another type's field", `{clusterRef: {name: shop}, type: Restart, switchover: {to: shop-2}}`, "switchover: only for type Switchover"},
		{"the other way", `{clusterRef: {name: shop}, type: Switchover, restart: {instance: shop-2}}`, "restart: only for type Restart"},
		{"a standby anew, of no name", `{clusterRef: {name: shop}, type: Reinitialize}`, "reinitialize: names the instance for type Reinitialize"},
		{"a restart with a standby anew", `{clusterRef: {name: shop}, type: Restart, reinitialize: {instance: shop-2}}`, "and is for no other type"},
		{"a forced promotion of nobody", `{clusterRef: {name: shop}, type: ForcePromotion}`, "forcePromotion: names the instance and accepts the loss"},
		{"a loss that is not accepted", `{clusterRef: {name: shop}, type: ForcePromotion, forcePromotion: {instance: shop-2}}`, "acceptDataLoss: Required"},
		{"a loss accepted in passing", `{clusterRef: {name: shop}, type: ForcePromotion, forcePromotion: {instance: shop-2, acceptDataLoss: "yes"}}`,
			"write this sentence, if you do: " + acceptsLoss},
		{"another instance's loss", `{clusterRef: {name: shop}, type: ForcePromotion, forcePromotion: {instance: shop-3, acceptDataLoss: "` + acceptsLoss + `"}}`,
			"promoting shop-3 loses"},
		{"a misspelt field", `{clusterRef: {name: shop}, type: Switchover, target: shop-2}`, "unknown field"},
	} {
		t.Run(test.name, func(t *testing.T) {
			made := object(t, fmt.Sprintf("apiVersion: postgres.timonier.io/v1alpha1\nkind: PostgresOperation\nmetadata: {name: say-%d, namespace: shop}\nspec: %s", i, test.spec))
			mustSay(t, server.client.Create(t.Context(), made, client.DryRunAll), test.says)
		})
	}
}

// ordered makes an operation, which is gone at the end of the test.
func ordered(t *testing.T, c client.Client, name string, spec v1alpha1.PostgresOperationSpec) {
	t.Helper()
	made := &v1alpha1.PostgresOperation{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: spec}
	if err := c.Create(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.Background(), made) }) // the API server ends with the tests
}

// ended waits for the end of an operation, as State and reason.
func ended(t *testing.T, c client.Client, name, want string) *v1alpha1.PostgresOperation {
	t.Helper()
	var found *v1alpha1.PostgresOperation
	eventually(t, name+" has ended", func() bool {
		found = exists[v1alpha1.PostgresOperation](t, c, name)
		return found.Status.FinishedAt != nil
	})
	if got := found.Status.Summary.State + " " + found.Status.Summary.Reason; got != want {
		t.Errorf("%s: %s: %s; want %s", name, got, found.Status.Summary.Message, want)
	}
	failed := meta.IsStatusConditionTrue(found.Status.Conditions, v1alpha1.ConditionFailed)
	if succeeded := meta.IsStatusConditionTrue(found.Status.Conditions, v1alpha1.ConditionSucceeded); failed == succeeded || succeeded != strings.HasPrefix(want, "Succeeded") {
		t.Errorf("%s: %+v", name, found.Status.Conditions)
	}
	return found
}

// trio is a cluster of three whose instances answer, the first leads.
type trio struct {
	c         client.Client
	name      string
	record    election.Record
	instances map[string]*instance
}

// trioOf that name, at the addresses 127.0.subnet.1 to 3.
func trioOf(t *testing.T, c client.Client, name string, subnet int) *trio {
	t.Helper()
	asked(t, c, name, "instances: 3")
	w := &trio{c: c, name: name, instances: map[string]*instance{}, record: election.Record{Term: 1, Revision: 10, Timeline: 1, System: "7711010913629491224", Position: "0/9000000",
		Quorum: election.Quorum{Mode: election.ModeQuorum, Required: 2, Members: map[string]string{}}}}
	for i := range 3 {
		instance := fmt.Sprintf("%s-%d", name, i+1)
		w.record.Quorum.Members["i-"+instance] = instance
		w.instances[instance] = answering(t, c, name, instance, fmt.Sprintf("127.0.%d.%d", subnet, i+1), instanceapi.Status{State: instanceapi.StateStarting, Manager: instanceapi.Manager{Hash: managerHash()}})
		w.instances[instance].will(instanceapi.PathConfiguration, takes)
	}
	w.leads(t, name+"-1")
	return w
}

// leads from now on, in the next term; "" for nobody.
func (w *trio) leads(t *testing.T, leader string) {
	t.Helper()
	w.record.Revision++
	if leader != "" && w.record.Holder != leader {
		w.record.Term, w.record.Holder, w.record.HolderIncarnation = w.record.Term+1, leader, "i-"+leader
	}
	var replicas []instanceapi.Replica
	for name := range w.instances {
		if name != leader {
			replicas = append(replicas, instanceapi.Replica{Instance: name, State: "streaming"})
		}
	}
	for name, stands := range w.instances {
		stands.change(func(status *instanceapi.Status) {
			started := time.Unix(1000, 0)
			if status.Postgres != nil {
				started = status.Postgres.StartedAt
			}
			status.Ready, status.Leader, status.State, status.Volume.Incarnation = true, false, instanceapi.StateStreaming, "i-"+name
			status.Volume.Position, status.Volume.Term = "0/5000000", 1
			status.Postgres = &instanceapi.Postgres{Version: "17.6", InRecovery: true, StartedAt: started}
			switch leader {
			case name:
				status.State, status.Leader, status.Postgres.InRecovery, status.Postgres.Replicas = instanceapi.StateRunning, true, false, replicas
			case "":
				status.State = instanceapi.StateFollowing
			}
		})
	}
	published(t, w.c, w.name, w.record)
}

// restarted is what an instance does when it restarts.
func restarted(i *instance, _ []byte) *instanceapi.RefusedError {
	i.status.Postgres.StartedAt = i.status.Postgres.StartedAt.Add(time.Minute)
	return nil
}

// refusing is what an instance does that refuses for this reason.
func refusing(code int, reason string) func(*instance, []byte) *instanceapi.RefusedError {
	return func(*instance, []byte) *instanceapi.RefusedError {
		return &instanceapi.RefusedError{Code: code, Answer: instanceapi.Error{Reason: reason, Message: "the test's instance has its reasons"}}
	}
}

func TestASwitchoverIsAskedOfThePrimaryAndSeenInTheLease(t *testing.T) {
	c := operatorRuns(t)
	w := trioOf(t, c, "switch", 85)
	asks := make(chan string, 9)
	w.instances["switch-1"].will(instanceapi.PathSwitchover, func(_ *instance, body []byte) *instanceapi.RefusedError {
		var request instanceapi.SwitchoverRequest
		if err := json.Unmarshal(body, &request); err != nil {
			return &instanceapi.RefusedError{Code: http.StatusBadRequest, Answer: instanceapi.Error{Reason: "Failed", Message: err.Error()}}
		}
		asks <- request.To
		return nil
	})
	ordered(t, c, "to-3", v1alpha1.PostgresOperationSpec{ClusterRef: v1alpha1.ClusterReference{Name: "switch"}, Type: v1alpha1.OperationSwitchover,
		Switchover: &v1alpha1.SwitchoverOperation{To: "switch-3"}})
	eventually(t, "the primary is asked to hand over", func() bool { return len(asks) > 0 })
	if to := <-asks; to != "switch-3" {
		t.Errorf("the primary is asked for %q", to)
	}
	eventually(t, "it runs", func() bool {
		found := exists[v1alpha1.PostgresOperation](t, c, "to-3")
		return meta.IsStatusConditionTrue(found.Status.Conditions, v1alpha1.ConditionRunning) && found.Status.RequestedAt != nil
	})

	// Another one meanwhile is refused, and the first goes on.
	ordered(t, c, "to-2", v1alpha1.PostgresOperationSpec{ClusterRef: v1alpha1.ClusterReference{Name: "switch"}, Type: v1alpha1.OperationRestart})
	refused := ended(t, c, "to-2", "Refused OperationRunning")
	if accepted := meta.FindStatusCondition(refused.Status.Conditions, v1alpha1.ConditionAccepted); accepted == nil || accepted.Status != metav1.ConditionFalse || !strings.Contains(accepted.Message, "to-3") {
		t.Errorf("%+v", accepted)
	}

	w.leads(t, "switch-3")
	done := ended(t, c, "to-3", "Succeeded Done")
	if done.Status.From.Instance != "switch-1" || done.Status.To.Instance != "switch-3" || done.Status.To.Term != done.Status.From.Term+1 {
		t.Errorf("from %+v to %+v", done.Status.From, done.Status.To)
	}
	if len(asks) != 0 {
		t.Errorf("it was asked %d times more", len(asks))
	}
	if event := told(t, c, "switch", v1alpha1.ReasonDone); !strings.Contains(event.Note, "Switchover to-3: switch-3 leads since term") {
		t.Errorf("the cluster's event: %s", event.Note)
	}
	if err := c.Patch(t.Context(), done, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"switchover":{"to":"switch-2"}}}`))); err == nil ||
		!strings.Contains(err.Error(), "an operation is not changed once it is asked for") {
		t.Errorf("changed afterwards: %v", err)
	}
}

func TestOperationsThatAreRefusedTellWhyAndDoNothing(t *testing.T) {
	c := operatorRuns(t)
	w := trioOf(t, c, "no", 86)
	w.instances["no-1"].will(instanceapi.PathSwitchover, refusing(http.StatusConflict, "Lagging"))
	w.instances["no-2"].will(instanceapi.PathReinitialize, refusing(http.StatusNotFound, ""))
	asked(t, c, "asleep", "instances: 0")
	no := v1alpha1.ClusterReference{Name: "no"}
	switchover := func(to string) v1alpha1.PostgresOperationSpec {
		return v1alpha1.PostgresOperationSpec{ClusterRef: no, Type: v1alpha1.OperationSwitchover, Switchover: &v1alpha1.SwitchoverOperation{To: to}}
	}
	for name, test := range map[string]struct {
		spec v1alpha1.PostgresOperationSpec
		want string
	}{
		"no-cluster":   {v1alpha1.PostgresOperationSpec{ClusterRef: v1alpha1.ClusterReference{Name: "nobody"}, Type: v1alpha1.OperationSwitchover}, "Refused UnknownCluster"},
		"no-hibernate": {v1alpha1.PostgresOperationSpec{ClusterRef: v1alpha1.ClusterReference{Name: "asleep"}, Type: v1alpha1.OperationRestart}, "Refused Hibernated"},
		"no-unknown":   {switchover("no-7"), "Refused UnknownInstance"},
		"no-already":   {switchover("no-1"), "Refused AlreadyPrimary"},
		"no-instance":  {switchover("no-2"), "Failed Lagging"},
		"no-primary": {v1alpha1.PostgresOperationSpec{ClusterRef: no, Type: v1alpha1.OperationReinitialize,
			Reinitialize: &v1alpha1.ReinitializeOperation{Instance: "no-1"}}, "Refused NotStandby"},
		"no-older": {v1alpha1.PostgresOperationSpec{ClusterRef: no, Type: v1alpha1.OperationReinitialize,
			Reinitialize: &v1alpha1.ReinitializeOperation{Instance: "no-2"}}, "Failed NotSupported"},
		"no-force": {v1alpha1.PostgresOperationSpec{ClusterRef: no, Type: v1alpha1.OperationForcePromotion, ForcePromotion: &v1alpha1.ForcePromotionOperation{
			Instance: "no-2", AcceptDataLoss: "I accept that promoting no-2 loses what no acknowledged and it has not received"}}, "Refused LeaderReachable"},
	} {
		t.Run(name, func(t *testing.T) {
			ordered(t, c, name, test.spec)
			ended(t, c, name, test.want)
		})
	}
	// A member is dropped from the quorum: its copy may lack commits.
	delete(w.record.Quorum.Members, "i-no-3")
	w.leads(t, "no-1")
	ordered(t, c, "no-member", switchover("no-3"))
	ended(t, c, "no-member", "Refused NotMember")
}

func TestARestartOfAllTakesStandbysFirstAndThePrimaryHandsOver(t *testing.T) {
	c := operatorRuns(t)
	w := trioOf(t, c, "bounce", 87)
	order := make(chan string, 9)
	for name, stands := range w.instances {
		stands.will(instanceapi.PathRestart, func(i *instance, body []byte) *instanceapi.RefusedError {
			order <- name
			return restarted(i, body)
		})
	}
	w.instances["bounce-1"].will(instanceapi.PathSwitchover, func(i *instance, body []byte) *instanceapi.RefusedError {
		order <- "bounce-1 hands over"
		return restarted(i, body)
	})
	ordered(t, c, "all", v1alpha1.PostgresOperationSpec{ClusterRef: v1alpha1.ClusterReference{Name: "bounce"}, Type: v1alpha1.OperationRestart})
	var seen []string
	for range 3 {
		select {
		case next := <-order:
			seen = append(seen, next)
		case <-time.After(30 * time.Second):
			t.Fatalf("after %v nothing more: %+v", seen, exists[v1alpha1.PostgresOperation](t, c, "all").Status)
		}
	}
	if want := []string{"bounce-2", "bounce-3", "bounce-1 hands over"}; !slices.Equal(seen, want) {
		t.Errorf("%v, want %v", seen, want)
	}
	w.leads(t, "bounce-2")
	done := ended(t, c, "all", "Succeeded Done")
	for _, item := range done.Status.Instances {
		if item.State != v1alpha1.OperationInstanceDone {
			t.Errorf("%+v", item)
		}
	}
	if len(order) != 0 {
		t.Errorf("and then %s", <-order)
	}
}

func TestAStandbyIsClonedAnewAndAPromotionIsForcedWithBothPositionsOnRecord(t *testing.T) {
	c := operatorRuns(t)
	w := trioOf(t, c, "dire", 88)
	dire := v1alpha1.ClusterReference{Name: "dire"}
	w.instances["dire-3"].will(instanceapi.PathReinitialize, func(i *instance, _ []byte) *instanceapi.RefusedError {
		i.status.Volume.Incarnation = "another"
		return nil
	})
	soon := int32(0)
	ordered(t, c, "anew", v1alpha1.PostgresOperationSpec{ClusterRef: dire, Type: v1alpha1.OperationReinitialize, Reinitialize: &v1alpha1.ReinitializeOperation{Instance: "dire-3"}})
	ended(t, c, "anew", "Succeeded Done")

	w.leads(t, "")
	w.instances["dire-2"].will(instanceapi.PathForce, func(*instance, []byte) *instanceapi.RefusedError { return nil })
	ordered(t, c, "force", v1alpha1.PostgresOperationSpec{ClusterRef: dire, Type: v1alpha1.OperationForcePromotion, TTLSecondsAfterFinished: nil, ForcePromotion: &v1alpha1.ForcePromotionOperation{
		Instance: "dire-2", AcceptDataLoss: "I accept that promoting dire-2 loses what dire acknowledged and it has not received"}})
	eventually(t, "both positions", func() bool {
		promotion := exists[v1alpha1.PostgresOperation](t, c, "force").Status.Promotion
		return promotion != nil && promotion.Position == "0/5000000" && promotion.LeaderPosition == "0/9000000"
	})
	w.leads(t, "dire-2")
	ended(t, c, "force", "Succeeded Done")

	ordered(t, c, "brief", v1alpha1.PostgresOperationSpec{ClusterRef: dire, Type: v1alpha1.OperationSwitchover, Switchover: &v1alpha1.SwitchoverOperation{To: "dire-2"}, TTLSecondsAfterFinished: &soon})
	eventually(t, "one whose time is over goes", func() bool {
		return client.IgnoreNotFound(c.Get(t.Context(), key("brief"), &v1alpha1.PostgresOperation{})) == nil &&
			c.Get(t.Context(), key("brief"), &v1alpha1.PostgresOperation{}) != nil
	})
}
