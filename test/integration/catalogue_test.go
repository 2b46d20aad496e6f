//go:build integration

package integration

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// asksForItsVersion waits until the cluster's image check runs this image.
func asksForItsVersion(t *testing.T, c client.Client, cluster, image string) *corev1.Pod {
	t.Helper()
	found := &corev1.Pod{}
	eventually(t, image+" is asked for its version", func() bool {
		return c.Get(t.Context(), key(naming.ImageCheck(cluster)), found) == nil && found.DeletionTimestamp == nil && found.Spec.Containers[0].Image == image
	})
	return found
}

func TestAnEntryOfTheCatalogueReachesPodsAndAChangedOneIsRolled(t *testing.T) {
	const first, second = "registry.example/catalogue:first", "registry.example/catalogue:second"
	c := operatorRuns(t)
	// No other test has clusters of this version.
	asked(t, c, "cat", "instances: 1\nversion: \"15\"")
	builtIn := exists[corev1.Pod](t, c, "cat-1").Spec.Containers[0].Image

	platform := &platformv1alpha1.Platform{ObjectMeta: metav1.ObjectMeta{Name: platformv1alpha1.SingletonName},
		Spec: platformv1alpha1.PlatformSpec{PostgresImages: []platformv1alpha1.CatalogueImage{{Version: "15", Image: first}}}}
	if err := c.Create(t.Context(), platform); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.Background(), platform) }) // the API server ends with the tests
	check := asksForItsVersion(t, c, "cat", first)
	if got := exists[corev1.Pod](t, c, "cat-1").Spec.Containers[0].Image; got != builtIn {
		t.Errorf("before the image was asked, a pod runs %s", got)
	}

	asked(t, c, "cat-new", "instances: 1\nversion: \"15\"")
	if got := exists[corev1.Pod](t, c, "cat-new-1").Spec.Containers[0].Image; got != first {
		t.Errorf("a new cluster's pod runs %s", got)
	}

	answered := check.DeepCopy()
	answered.Status.Phase = corev1.PodSucceeded
	answered.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "postgres",
		State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: `{"version": "15.9"}`}}}}
	if err := c.Status().Patch(t.Context(), answered, client.MergeFrom(check)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pod is replaced by one with the catalogue's image", func() bool {
		pod := &corev1.Pod{}
		return c.Get(t.Context(), key("cat-1"), pod) == nil && pod.Spec.Containers[0].Image == first
	})
	eventually(t, "the version that the image was found to hold", func() bool {
		image := exists[v1alpha1.PostgresCluster](t, c, "cat").Status.Image
		return image != nil && image.Reference == first && image.Version == "15.9"
	})

	changed := platform.DeepCopy()
	changed.Spec.PostgresImages[0].Image = second
	if err := c.Patch(t.Context(), changed, client.MergeFrom(platform)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cat", "cat-new"} {
		asksForItsVersion(t, c, name, second)
	}
}
