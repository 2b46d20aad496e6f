//go:build integration

package integration

import (
	"context"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// What was tried once to make the operator lose, take or overwrite something.

// claimNamed makes a volume claim by hand.
func claimNamed(t *testing.T, c client.Client, name string, labels map[string]string) *corev1.PersistentVolumeClaim {
	t.Helper()
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: labels},
		Spec:       corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}},
	}
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: *quantity(t, "1Gi")}
	if err := c.Create(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	return claim
}

// edited changes a cluster, and waits until the operator has looked at the change.
func edited(t *testing.T, c client.Client, name string, change func(*v1alpha1.PostgresCluster)) {
	t.Helper()
	found := exists[v1alpha1.PostgresCluster](t, c, name)
	patched := found.DeepCopy()
	change(patched)
	if err := c.Patch(t.Context(), patched, client.MergeFrom(found)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the change was looked at", func() bool {
		return exists[v1alpha1.PostgresCluster](t, c, name).Status.ObservedGeneration >= patched.Generation
	})
}

func stalledFor(t *testing.T, c client.Client, name, reason string) {
	t.Helper()
	eventually(t, name+" stalled for "+reason, func() bool {
		stalled := meta.FindStatusCondition(exists[v1alpha1.PostgresCluster](t, c, name).Status.Conditions, v1alpha1.ConditionStalled)
		return stalled != nil && stalled.Reason == reason
	})
}

func TestVolumesAreKeptByTheLastWordOfTheSpec(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "nap", "instances: 2\nstorage: {size: 1Gi, retentionPolicy: {whenDeleted: Delete}}")
	exists[corev1.PersistentVolumeClaim](t, c, "nap-2")
	edited(t, c, "nap", func(p *v1alpha1.PostgresCluster) { p.Spec.Instances = new(int32) })
	edited(t, c, "nap", func(p *v1alpha1.PostgresCluster) { p.Spec.Storage.RetentionPolicy.WhenDeleted = v1alpha1.RetainVolume })
	if err := c.Delete(t.Context(), exists[v1alpha1.PostgresCluster](t, c, "nap")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cluster is gone", func() bool { return c.Get(t.Context(), key("nap"), &v1alpha1.PostgresCluster{}) != nil })
	for _, name := range []string{"nap-1", "nap-2"} {
		if claim := exists[corev1.PersistentVolumeClaim](t, c, name); len(claim.OwnerReferences) > 0 || claim.DeletionTimestamp != nil {
			t.Errorf("%s goes with its cluster: %v", name, claim.OwnerReferences)
		}
	}
}

func TestVolumesGoWithTheClusterWhereTheSpecSaysSo(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "gone", "instances: 1\nstorage: {size: 1Gi, retentionPolicy: {whenDeleted: Delete}}")
	exists[corev1.PersistentVolumeClaim](t, c, "gone-1")
	eventually(t, "the finalizer", func() bool { return len(exists[v1alpha1.PostgresCluster](t, c, "gone").Finalizers) == 1 })
	if err := c.Delete(t.Context(), exists[v1alpha1.PostgresCluster](t, c, "gone")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "cluster gone and volume going", func() bool {
		claim := &corev1.PersistentVolumeClaim{}
		err := c.Get(t.Context(), key("gone-1"), claim)
		return (err != nil || claim.DeletionTimestamp != nil) && c.Get(t.Context(), key("gone"), &v1alpha1.PostgresCluster{}) != nil
	})
}

func TestACopyOfAVolumesLabelsMakesItNoVolumeOfOurs(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "copied", "instances: 1\nstorage: {size: 2Gi, retentionPolicy: {whenDeleted: Delete}}")
	exists[corev1.PersistentVolumeClaim](t, c, "copied-1")
	theirs := claimNamed(t, c, "before-the-migration", map[string]string{
		naming.LabelCluster: "copied", naming.LabelInstance: "copied-7", naming.LabelVolume: "data"})
	edited(t, c, "copied", func(p *v1alpha1.PostgresCluster) { p.Spec.Team = "looked-again" })
	if err := c.Delete(t.Context(), exists[v1alpha1.PostgresCluster](t, c, "copied")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cluster is gone", func() bool { return c.Get(t.Context(), key("copied"), &v1alpha1.PostgresCluster{}) != nil })
	if after := exists[corev1.PersistentVolumeClaim](t, c, theirs.Name); after.ResourceVersion != theirs.ResourceVersion {
		t.Errorf("it was changed: %v", after)
	}
}

func TestAVolumeClaimWithoutLabelsIsATraceOfASystem(t *testing.T) {
	c := operatorRuns(t)
	claimNamed(t, c, "bare-2", nil)
	asked(t, c, "bare", "instances: 3")
	if got := exists[coordinationv1.Lease](t, c, naming.Lease("bare")).Annotations["timonier.io/system"]; got != "" {
		t.Errorf("with the claim bare-2 there, the Lease says %q", got)
	}
	stalledFor(t, c, "bare", v1alpha1.ReasonNameTaken)
}

func TestTheMarkIsWithdrawnWhereAVolumeRemembersASystem(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "restored", "instances: 1")
	claim := exists[corev1.PersistentVolumeClaim](t, c, "restored-1")
	patched := claim.DeepCopy()
	patched.Annotations[naming.AnnotationSystem] = "7711010913629491224"
	if err := c.Patch(t.Context(), patched, client.MergeFrom(claim)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the mark is gone", func() bool {
		return exists[coordinationv1.Lease](t, c, naming.Lease("restored")).Annotations["timonier.io/system"] == ""
	})
}

func TestASecretIsNotOursByItsLabel(t *testing.T) {
	c := operatorRuns(t)
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "lab-app", Labels: map[string]string{naming.LabelCluster: "lab"}},
		Data: map[string][]byte{"password": []byte("theirs")}}
	if err := c.Create(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	asked(t, c, "lab", "instances: 1")
	stalledFor(t, c, "lab", v1alpha1.ReasonNameTaken)
	if after := exists[corev1.Secret](t, c, "lab-app"); after.ResourceVersion != theirs.ResourceVersion {
		t.Error("it was changed")
	}
}

// A backup that restores Secrets without their owners: what is stored must be what is published, or nothing is published.
func TestAnAuthorityWithoutOwnerIsNotReplacedBesideIt(t *testing.T) {
	c := operatorRuns(t)
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: naming.PeerCA("orphan"), Labels: map[string]string{naming.LabelCluster: "orphan"}}}
	if err := c.Create(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	asked(t, c, "orphan", "instances: 1")
	stalledFor(t, c, "orphan", v1alpha1.ReasonNameTaken)
	if err := c.Get(t.Context(), key(naming.Certificates("orphan")), &corev1.Secret{}); err == nil {
		t.Error("certificates of an authority that is stored nowhere were published")
	}
}

func TestNoPodIsStoppedForOneThatTheNamespaceRefuses(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "lone", "instances: 1")
	before := exists[corev1.Pod](t, c, "lone-1")
	limits := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "most"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
		Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceCPU: *quantity(t, "2")}}}}}
	if err := c.Create(t.Context(), limits); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Delete(context.Background(), limits); err != nil {
			t.Log(err)
		}
	})
	// The API server learns of a LimitRange by a watch of its own.
	eventually(t, "the limit holds", func() bool {
		trial := before.DeepCopy()
		trial.ObjectMeta = metav1.ObjectMeta{Namespace: "shop", Name: "trial"}
		trial.Spec.NodeName = ""
		trial.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: *quantity(t, "64")}
		return c.Create(t.Context(), trial, client.DryRunAll) != nil
	})
	edited(t, c, "lone", func(p *v1alpha1.PostgresCluster) {
		p.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: *quantity(t, "64")}
	})
	stalledFor(t, c, "lone", v1alpha1.ReasonInvalidSpec)
	if after := exists[corev1.Pod](t, c, "lone-1"); after.UID != before.UID || after.DeletionTimestamp != nil {
		t.Error("the only instance was stopped")
	}
}
