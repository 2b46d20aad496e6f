package postgrescluster

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/naming"
)

func TestAVolumeThatIsToGrowKeepsItsNewSizeInTheSameReconcile(t *testing.T) {
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "c-1", Labels: map[string]string{
			naming.LabelCluster: "c", naming.LabelInstance: "c-1", naming.LabelVolume: desired.VolumeData}},
		Spec: corev1.PersistentVolumeClaimSpec{Resources: corev1.VolumeResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}}},
	}
	cluster := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "c", UID: "1234"},
		Spec: v1alpha1.PostgresClusterSpec{Version: "17", Storage: v1alpha1.Storage{Volume: v1alpha1.Volume{Size: resource.MustParse("2Gi")}}}}
	// Its cache is up to date at once.
	world := fake.NewClientBuilder().WithObjects(claim).Build()
	r := &Reconciler{Client: world, Live: world}
	s := newScope(cluster, time.Unix(0, 0))
	s.observed.claims = map[string]*corev1.PersistentVolumeClaim{claim.Name: claim}

	if err := r.growVolumes(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := r.keepVolumes(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	after := &corev1.PersistentVolumeClaim{}
	if err := world.Get(t.Context(), client.ObjectKeyFromObject(claim), after); err != nil {
		t.Fatal(err)
	}
	if size := after.Spec.Resources.Requests[corev1.ResourceStorage]; size.String() != "2Gi" {
		t.Errorf("the claim asks for %s", size.String())
	}
}
