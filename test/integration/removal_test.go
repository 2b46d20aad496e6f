//go:build integration

package integration

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// stops waits until a pod is told to end.
func stops(t *testing.T, c client.Client, name string) {
	t.Helper()
	eventually(t, name+" stops", func() bool { return stopping(t, c, name) })
}

func stopping(t *testing.T, c client.Client, name string) bool {
	t.Helper()
	return !exists[corev1.Pod](t, c, name).DeletionTimestamp.IsZero()
}

// ledBy has the Lease of a cluster name a holder.
func ledBy(t *testing.T, c client.Client, cluster, holder string) {
	t.Helper()
	published(t, c, cluster, recordOf(holder))
}

// volumesEnd has the volumes of a cluster of this many go, that are told to: no controller is here that would see that they are in use no more.
func volumesEnd(t *testing.T, c client.Client, name string, instances int) {
	t.Helper()
	for ordinal := 1; ordinal <= instances; ordinal++ {
		volume := naming.Instance(name, ordinal)
		eventually(t, "volume "+volume+" is told to go", func() bool {
			claim := &corev1.PersistentVolumeClaim{}
			err := c.Get(t.Context(), key(volume), claim)
			return apierrors.IsNotFound(err) || err == nil && !claim.DeletionTimestamp.IsZero()
		})
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: volume}}
		if err := c.Patch(t.Context(), claim, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))); client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
	}
}

// remembersSystem has a volume remember the system whose data it holds.
func remembersSystem(t *testing.T, c client.Client, volume string) {
	t.Helper()
	claim := exists[corev1.PersistentVolumeClaim](t, c, volume)
	if err := c.Patch(t.Context(), claim, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"7711010913629491224"}}}`, naming.AnnotationSystem))); err != nil {
		t.Fatal(err)
	}
}

func gone(t *testing.T, c client.Client, name string, object client.Object) {
	t.Helper()
	eventually(t, fmt.Sprintf("%T %s is gone", object, name), func() bool { return apierrors.IsNotFound(c.Get(t.Context(), key(name), object)) })
}

const asksForRemoval = `{"managementState":"Removed","removalConfirmation":%q}`

func TestOfThreeInstancesThePrimaryStopsLastAndOnlyThenAllElseGoes(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "leaves", "instances: 3")
	for ordinal := 1; ordinal <= 3; ordinal++ {
		takesTimeToEnd(t, c, naming.Instance("leaves", ordinal))
	}
	ledBy(t, c, "leaves", "leaves-2")
	specified(t, c, "leaves", fmt.Sprintf(asksForRemoval, "leaves"))
	stops(t, c, "leaves-1")
	stops(t, c, "leaves-3")
	hasEnded(t, c, "leaves-1")
	gone(t, c, "leaves-1", &corev1.Pod{})
	if stopping(t, c, "leaves-2") {
		t.Error("the primary stops beside a standby")
	}
	hasEnded(t, c, "leaves-3")
	stops(t, c, "leaves-2")
	exists[corev1.Service](t, c, "leaves-rw")
	hasEnded(t, c, "leaves-2")
	gone(t, c, "leaves-rw", &corev1.Service{})
	conditionIs(t, c, "leaves", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRemoved)
	eventually(t, "certificates that have gone are not said to expire", func() bool {
		return exists[v1alpha1.PostgresCluster](t, c, "leaves").Status.Certificates.ExpiresAt == nil
	})
	for ordinal := 1; ordinal <= 3; ordinal++ {
		exists[corev1.PersistentVolumeClaim](t, c, naming.Instance("leaves", ordinal))
	}
}

func TestWhereVolumesGoTooTheNextSystemIsANewOne(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "anew", "instances: 3\nstorage: {size: 1Gi, retentionPolicy: {whenDeleted: Delete}}")
	exists[corev1.Pod](t, c, "anew-3")
	remembersSystem(t, c, "anew-1")
	ledBy(t, c, "anew", "anew-1")
	eventually(t, "the system is recorded", func() bool { return exists[v1alpha1.PostgresCluster](t, c, "anew").Status.SystemIdentifier != "" })
	before := exists[corev1.PersistentVolumeClaim](t, c, "anew-1").UID
	specified(t, c, "anew", fmt.Sprintf(asksForRemoval, "anew"))
	volumesEnd(t, c, "anew", 3)
	conditionIs(t, c, "anew", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRemoved)
	if system := exists[v1alpha1.PostgresCluster](t, c, "anew").Status.SystemIdentifier; system != "" {
		t.Errorf("with all volumes gone the status still has system %s", system)
	}
	gone(t, c, naming.RoleSecret("anew", naming.DefaultRole), &corev1.Secret{})
	specified(t, c, "anew", `{"managementState":"Managed","removalConfirmation":null}`)
	exists[corev1.Pod](t, c, "anew-1")
	eventually(t, "the first instance may create a system", func() bool { return markOf(t, c, "anew") == "bootstrap=anew-1" })
	if exists[corev1.PersistentVolumeClaim](t, c, "anew-1").UID == before {
		t.Error("the volume is the former one")
	}
}

func TestAClusterComesBackHalfWayWithItsDataAndMayCreateNoOtherSystem(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "halfway", "instances: 3")
	takesTimeToEnd(t, c, "halfway-1")
	exists[corev1.Pod](t, c, "halfway-3")
	recorded(t, c, "halfway")
	ledBy(t, c, "halfway", "halfway-1")
	volume := exists[corev1.PersistentVolumeClaim](t, c, "halfway-3").UID
	specified(t, c, "halfway", fmt.Sprintf(asksForRemoval, "halfway"))
	stops(t, c, "halfway-1")
	specified(t, c, "halfway", `{"managementState":"Managed"}`) // the confirmation is forgotten there
	managed(t, c, "halfway", metav1.ConditionTrue, v1alpha1.ReasonManaged)
	hasEnded(t, c, "halfway-1")
	for ordinal := 1; ordinal <= 3; ordinal++ {
		eventually(t, "the pod is there and stays", func() bool { return !stopping(t, c, naming.Instance("halfway", ordinal)) })
	}
	exists[corev1.Service](t, c, "halfway-rw")
	found := exists[v1alpha1.PostgresCluster](t, c, "halfway")
	if exists[corev1.PersistentVolumeClaim](t, c, "halfway-3").UID != volume || found.Status.SystemIdentifier == "" || len(markOf(t, c, "halfway")) > 0 && markOf(t, c, "halfway") != found.Status.SystemIdentifier {
		t.Errorf("the status has system %q, the Lease says %q", found.Status.SystemIdentifier, markOf(t, c, "halfway"))
	}
	eventually(t, "nothing holds it any more", func() bool { return len(exists[v1alpha1.PostgresCluster](t, c, "halfway").Finalizers) == 0 })
	target := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "halfway"}}
	mustSay(t, c.Patch(t.Context(), target, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"managementState":"Removed"}}`))), "it was typed for another removal")
	specified(t, c, "halfway", `{"removalConfirmation":null}`)
	specified(t, c, "halfway", `{"managementState":"Removed"}`)
	specified(t, c, "halfway", `{"managementState":"Managed"}`)
}

func TestVolumesStayWhereThePlatformSaysHandsOffInTheMiddleOfARemoval(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "halted", "instances: 1\nstorage: {size: 1Gi, retentionPolicy: {whenDeleted: Delete}}")
	takesTimeToEnd(t, c, "halted-1")
	specified(t, c, "halted", fmt.Sprintf(asksForRemoval, "halted"))
	stops(t, c, "halted-1")
	platformSays(t, c, platformv1alpha1.PlatformSpec{Overrides: []contract.Override{{Group: "postgres.timonier.io", Kind: "PostgresCluster", Namespace: "shop", Name: "halted", Unmanaged: true}}})
	hasEnded(t, c, "halted-1")
	managed(t, c, "halted", metav1.ConditionFalse, v1alpha1.ReasonUnmanaged)
	if claim := exists[corev1.PersistentVolumeClaim](t, c, "halted-1"); !claim.DeletionTimestamp.IsZero() {
		t.Error("its volume goes although the cluster is left alone")
	}
	exists[corev1.Service](t, c, "halted-rw")
}

func TestAClusterIsDeletedInOrderWhoeverSteersIt(t *testing.T) {
	c := operatorRuns(t)
	for _, state := range []struct{ name, spec string }{{"ends-alone", `{"managementState":"Unmanaged"}`}, {"ends-removed", `{"managementState":"Removed","removalConfirmation":"ends-removed"}`}} {
		asked(t, c, state.name, "instances: 2\nstorage: {size: 1Gi, retentionPolicy: {whenDeleted: Delete}}")
		first, second := state.name+"-1", state.name+"-2"
		takesTimeToEnd(t, c, first)
		takesTimeToEnd(t, c, second)
		ledBy(t, c, state.name, first)
		eventually(t, "the finalizer", func() bool { return len(exists[v1alpha1.PostgresCluster](t, c, state.name).Finalizers) == 1 })
		specified(t, c, state.name, state.spec)
		eventually(t, "it is looked at", func() bool {
			return string(exists[v1alpha1.PostgresCluster](t, c, state.name).Status.ManagementState) != string(contract.Managed)
		})
		if err := c.Delete(t.Context(), exists[v1alpha1.PostgresCluster](t, c, state.name)); err != nil {
			t.Fatal(err)
		}
		stops(t, c, second)
		if stopping(t, c, first) {
			t.Error("the primary stops beside a standby")
		}
		hasEnded(t, c, second)
		stops(t, c, first)
		if claim := exists[corev1.PersistentVolumeClaim](t, c, first); !claim.DeletionTimestamp.IsZero() {
			t.Error("the volume goes while its pod is there")
		}
		hasEnded(t, c, first)
		volumesEnd(t, c, state.name, 2)
		gone(t, c, state.name, &v1alpha1.PostgresCluster{})
	}
}

func TestADeletedClusterDoesNotWaitForAPodThatNeverEnds(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "stuck", "instances: 1\nstorage: {size: 1Gi, retentionPolicy: {whenDeleted: Delete}}")
	takesTimeToEnd(t, c, "stuck-1")
	eventually(t, "the finalizer", func() bool { return len(exists[v1alpha1.PostgresCluster](t, c, "stuck").Finalizers) == 1 })
	found := exists[v1alpha1.PostgresCluster](t, c, "stuck")
	if err := c.Delete(t.Context(), found); err != nil {
		t.Fatal(err)
	}
	stops(t, c, "stuck-1")
	pass(2 * time.Minute)
	defer pass(-2 * time.Minute) // certificates that are issued in the operator's future would not be valid to instances of other tests
	if err := c.Patch(t.Context(), found, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"test/look":"again"}}}`))); err != nil {
		t.Fatal(err)
	}
	gone(t, c, "stuck", &v1alpha1.PostgresCluster{})
	hasEnded(t, c, "stuck-1")
}
