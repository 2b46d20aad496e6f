//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/naming"
)

// recordOf a Lease with this holder.
func recordOf(holder string) election.Record {
	return election.Record{Term: 2, Revision: 10, Timeline: 1, System: "7711010913629491224", Position: "0/9000000", Holder: holder, HolderIncarnation: "i-" + holder,
		Quorum: election.Quorum{Mode: election.ModeQuorum, Required: 1, Members: map[string]string{"i-" + holder: holder}}}
}

func TestAPodThatIsLostIsNotReplacedWhileHandsAreOffAndThatIsTold(t *testing.T) {
	c := operatorRuns(t)
	w := trioOf(t, c, "two", 95)
	for name := range w.instances {
		seen(t, c, name)
		eventually(t, "role of "+name, func() bool { return exists[corev1.Pod](t, c, name).Labels[naming.LabelRole] != "" })
	}
	specified(t, c, "two", `{"managementState":"Unmanaged"}`)
	managed(t, c, "two", metav1.ConditionFalse, v1alpha1.ReasonUnmanaged)
	for name := range w.instances {
		eventually(t, name+" has no role", func() bool { _, has := exists[corev1.Pod](t, c, name).Labels[naming.LabelRole]; return !has })
	}
	if err := c.Delete(t.Context(), exists[corev1.Pod](t, c, "two-3"), client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	conditionIs(t, c, "two", v1alpha1.ConditionDegraded, metav1.ConditionTrue, v1alpha1.ReasonHandsOff)
	specified(t, c, "two", `{"instances":5}`) // which is not answered, so that two more are not missing for it
	found := managed(t, c, "two", metav1.ConditionFalse, v1alpha1.ReasonUnmanaged)
	if found.Status.Summary.Instances != "2/3" || len(found.Status.Instances) != 3 {
		t.Errorf("the status tells of %s instances: %+v", found.Status.Summary.Instances, found.Status.Instances)
	}
	if degraded := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionDegraded); !strings.HasPrefix(degraded.Message, "2 of 3, hands off") {
		t.Errorf("Degraded says %q", degraded.Message)
	}
	if !meta.IsStatusConditionTrue(found.Status.Conditions, v1alpha1.ConditionAvailable) {
		t.Errorf("Available: %+v", found.Status.Conditions)
	}
	if event := told(t, c, "two", v1alpha1.ReasonHandsOff); !strings.HasPrefix(event.Note, "2 of 3, hands off") {
		t.Errorf("the event says %q", event.Note)
	}
	if err := c.Get(t.Context(), key("two-3"), &corev1.Pod{}); !apierrors.IsNotFound(err) {
		t.Errorf("the pod that was lost: %v", err)
	}
	if err := c.Delete(t.Context(), exists[corev1.Pod](t, c, "two-2"), client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second one that is lost is told too", func() bool {
		return slices.ContainsFunc(events(t, c, "two", v1alpha1.ReasonHandsOff), func(e eventsv1.Event) bool { return strings.HasPrefix(e.Note, "1 of 3, hands off") })
	})
}

func TestAPodThatAnOverrideLeavesAloneGetsNothingAndThatIsTold(t *testing.T) {
	c := operatorRuns(t)
	w := trioOf(t, c, "skipped", 100)
	for name := range w.instances {
		eventually(t, name+" is configured", func() bool { return w.instances[name].inForce().Revision != "" })
	}
	platformSays(t, c, platformv1alpha1.PlatformSpec{Overrides: []contract.Override{{Kind: "Pod", Namespace: "shop", Name: "skipped-3", Unmanaged: true}}})
	eventually(t, "the status names what is left alone", func() bool {
		return strings.Join(exists[v1alpha1.PostgresCluster](t, c, "skipped").Status.Management.LeftAlone, " ") == "Pod/skipped-3"
	})
	before, pod := w.instances["skipped-3"].inForce().Revision, exists[corev1.Pod](t, c, "skipped-3")
	specified(t, c, "skipped", `{"parameters":{"work_mem":"8MB"},"team":"commerce"}`)
	eventually(t, "the others are configured", func() bool {
		return w.instances["skipped-2"].inForce().Parameters["work_mem"] == "8MB" && w.instances["skipped-1"].inForce().Parameters["work_mem"] == "8MB"
	})
	stalledFor(t, c, "skipped", v1alpha1.ReasonHandsOff)
	stalled := meta.FindStatusCondition(exists[v1alpha1.PostgresCluster](t, c, "skipped").Status.Conditions, v1alpha1.ConditionStalled)
	if !strings.Contains(stalled.Message, "skipped-3 does not get its configuration") || !strings.Contains(stalled.Message, "Pod shop/skipped-3") {
		t.Errorf("Stalled says %q", stalled.Message)
	}
	if w.instances["skipped-3"].inForce().Revision != before || exists[corev1.Pod](t, c, "skipped-3").Labels[naming.LabelTeam] != "" {
		t.Error("the pod that is to be left alone was written to")
	}
	specified(t, c, "skipped", `{"instances":2}`)
	eventually(t, "it is told that it is not removed", func() bool {
		stalled := meta.FindStatusCondition(exists[v1alpha1.PostgresCluster](t, c, "skipped").Status.Conditions, v1alpha1.ConditionStalled)
		return stalled != nil && stalled.Reason == v1alpha1.ReasonHandsOff && strings.Contains(stalled.Message, "instance skipped-3 is not removed")
	})
	if exists[corev1.Pod](t, c, "skipped-3").UID != pod.UID {
		t.Error("the pod is another one")
	}
	for _, event := range events(t, c, "skipped", v1alpha1.ReasonScaling) {
		if strings.Contains(event.Note, "skipped-3") {
			t.Errorf("an event says %q", event.Note)
		}
	}
}

func TestAPodThatAnOverrideLeavesAloneAndThatIsLostIsNotMadeAgainAndThatIsTold(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "missed", "instances: 2")
	exists[corev1.Pod](t, c, "missed-1")
	exists[corev1.Pod](t, c, "missed-2")
	platformSays(t, c, platformv1alpha1.PlatformSpec{Overrides: []contract.Override{{Kind: "Pod", Namespace: "shop", Name: "missed-2", Unmanaged: true}}})
	eventually(t, "the status names what is left alone", func() bool {
		return len(exists[v1alpha1.PostgresCluster](t, c, "missed").Status.Management.LeftAlone) == 1
	})
	if err := c.Delete(t.Context(), exists[corev1.Pod](t, c, "missed-2")); err != nil {
		t.Fatal(err)
	}
	stalledFor(t, c, "missed", v1alpha1.ReasonHandsOff)
	lookedAgain(t, c, "missed")
	if stalled := meta.FindStatusCondition(exists[v1alpha1.PostgresCluster](t, c, "missed").Status.Conditions, v1alpha1.ConditionStalled); stalled == nil || !strings.Contains(stalled.Message, "pod missed-2 is not made") {
		t.Errorf("Stalled is %+v", stalled)
	}
	if err := c.Get(t.Context(), key("missed-2"), &corev1.Pod{}); !apierrors.IsNotFound(err) {
		t.Errorf("the pod that was lost: %v", err)
	}
	// It is lost, and not handed back.
	if alone := exists[v1alpha1.PostgresCluster](t, c, "missed").Status.Management.LeftAlone; len(alone) != 1 || alone[0] != "Pod/missed-2" {
		t.Errorf("the status says that %v is left alone", alone)
	}
	if told := events(t, c, "missed", v1alpha1.ReasonHandedBack); len(told) > 0 {
		t.Errorf("an event says %q", told[0].Note)
	}
}

func TestAVolumeThatAnOverrideLeavesAloneDoesNotGrowAndThatIsToldOnce(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "small", "instances: 1\nstorage: {size: 1Gi}")
	exists[corev1.Pod](t, c, "small-1")
	platformSays(t, c, platformv1alpha1.PlatformSpec{Overrides: []contract.Override{{Kind: "PersistentVolumeClaim", Namespace: "shop", Name: "small-1", Unmanaged: true}}})
	eventually(t, "the status names what is left alone", func() bool {
		return len(exists[v1alpha1.PostgresCluster](t, c, "small").Status.Management.LeftAlone) == 1
	})
	specified(t, c, "small", `{"storage":{"size":"2Gi"}}`)
	stalledFor(t, c, "small", v1alpha1.ReasonHandsOff)
	lookedAgain(t, c, "small")
	if claim := exists[corev1.PersistentVolumeClaim](t, c, "small-1"); claim.Spec.Resources.Requests.Storage().String() != "1Gi" {
		t.Errorf("the volume asks for %s", claim.Spec.Resources.Requests.Storage())
	}
	if grows := events(t, c, "small", v1alpha1.ReasonGrowing); len(grows) > 0 {
		t.Errorf("an event says %q", grows[0].Note)
	}
	if event := told(t, c, "small", v1alpha1.ReasonHandsOff); !strings.Contains(event.Note, "volume small-1 does not grow from 1Gi to 2Gi") {
		t.Errorf("the event says %q", event.Note)
	}
}

func TestAnOperatorOfANewerVersionDoesNotTakeOverWhatIsLeftAlone(t *testing.T) {
	program := filepath.Join(t.TempDir(), "timonier-operator")
	link := "-X github.com/timonier-io/timonier/internal/version.version=v1.3.0"
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags", link, "-o", program, "../../cmd/timonier-operator").CombinedOutput(); err != nil {
		t.Fatalf("building the operator: %v\n%s", err, out)
	}
	c, kubeconfig := own(t)
	for _, name := range []string{"shop", "timonier-system"} {
		if err := c.Create(t.Context(), namespace(name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"role.yaml", "binding.yaml"} {
		applyFile(t, c, filepath.Join(root, "config", "rbac", file))
	}
	// The Services of two are left alone before they are there.
	platformSays(t, c, platformv1alpha1.PlatformSpec{Overrides: []contract.Override{
		{Kind: "Service", Namespace: "shop", Name: "minor-rw", Unmanaged: true}, {Kind: "Service", Namespace: "shop", Name: "patch-rw", Unmanaged: true},
	}})
	for name, last := range map[string]string{"minor": "v1.2.9", "patch": "v1.3.7", "free": "v1.2.9"} {
		asked(t, c, name, "instances: 1")
		content, err := json.Marshal(map[string]any{"status": map[string]any{"operatorVersion": last, "managementState": "Managed"}})
		if err != nil {
			t.Fatal(err)
		}
		target := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
		if err := c.Status().Patch(t.Context(), target, client.RawPatch(types.MergePatchType, content)); err != nil {
			t.Fatal(err)
		}
	}
	operatorStarted(t, program, kubeconfig)

	exists[corev1.Pod](t, c, "free-1")
	found := managed(t, c, "minor", metav1.ConditionFalse, v1alpha1.ReasonOperatorNewer)
	condition := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionManaged)
	if !strings.Contains(condition.Message, "Service/minor-rw") || !strings.Contains(condition.Message, "prevents upgrades") || found.Status.OperatorVersion != "v1.2.9" {
		t.Errorf("last managed by %s: %s", found.Status.OperatorVersion, condition.Message)
	}
	if err := c.Get(t.Context(), key("minor-1"), &corev1.Pod{}); !apierrors.IsNotFound(err) {
		t.Errorf("its pod: %v", err)
	}
	patched := func() string {
		exists[corev1.Pod](t, c, "patch-1")
		found := managed(t, c, "patch", metav1.ConditionTrue, v1alpha1.ReasonManaged)
		if found.Status.OperatorVersion != "v1.3.0" {
			t.Errorf("managed last by %s", found.Status.OperatorVersion)
		}
		return meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionManaged).Message
	}
	for round := range 3 {
		if message := patched(); !strings.Contains(message, "by version v1.3.7 of the operator, and this is v1.3.0") {
			t.Errorf("round %d: Managed says %q", round, message)
		}
		specified(t, c, "patch", fmt.Sprintf(`{"team":"team-%d"}`, round))
	}
	told(t, c, "patch", v1alpha1.ReasonTakenOver)
	if all := events(t, c, "patch", v1alpha1.ReasonTakenOver); len(all) != 1 || all[0].Series != nil {
		t.Errorf("events: %+v", all)
	}

	platformSays(t, c, platformv1alpha1.PlatformSpec{})
	managed(t, c, "minor", metav1.ConditionTrue, v1alpha1.ReasonManaged)
	exists[corev1.Pod](t, c, "minor-1")
	eventually(t, "nothing is left alone, and nobody is warned", func() bool {
		return !strings.Contains(patched(), "v1.3.7")
	})
}
