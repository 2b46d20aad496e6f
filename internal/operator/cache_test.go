package operator

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
)

func TestOfAPodIsKeptWhatControllersReadAndNoMore(t *testing.T) {
	status := corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.1", ContainerStatuses: []corev1.ContainerStatus{{Name: "postgres", ImageID: "id"}}}
	kept := metav1.ObjectMeta{Name: "shop-1", Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"hash": "h"}, OwnerReferences: []metav1.OwnerReference{{UID: "1"}}}
	whole := &corev1.Pod{ObjectMeta: kept, Status: status, Spec: corev1.PodSpec{
		NodeName: "node-1", Volumes: []corev1.Volume{{Name: "data"}}, InitContainers: []corev1.Container{{Name: "install"}},
		Containers: []corev1.Container{{Name: "postgres", Image: "postgres:17", Env: []corev1.EnvVar{{Name: "A", Value: "B"}}, VolumeMounts: []corev1.VolumeMount{{Name: "data"}}}},
	}}
	whole.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubelet"}}
	want := &corev1.Pod{ObjectMeta: kept, Status: status, Spec: corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{{Name: "postgres", Image: "postgres:17"}}}}
	slim, err := slimPod(whole)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, slim); diff != "" {
		t.Error(diff)
	}
	// The cache may hand over again what it holds, and what it only knows to be gone.
	if again, err := slimPod(slim); err != nil || cmp.Diff(want, again) != "" {
		t.Errorf("a second time: %v (%v)", again, err)
	}
	if _, err := slimPod(toolscache.DeletedFinalStateUnknown{Key: "shop/shop-1", Obj: whole}); err != nil {
		t.Error(err)
	}
}

func TestEveryKindThatIsCachedIsHeldToOurs(t *testing.T) {
	options := cacheOptions()
	for object, by := range options.ByObject {
		if by.Label == nil || by.Label.Empty() || by.Transform == nil {
			t.Errorf("%T: objects of other people would be kept, or kept whole", object)
		}
	}
	if !options.ReaderFailOnMissingInformer {
		t.Error("a kind that nobody watches would be cached by the way")
	}
}
