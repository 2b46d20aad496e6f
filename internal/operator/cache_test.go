package operator

import (
	"hash/maphash"
	"maps"
	"reflect"
	"strconv"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
)

func TestOfAPodIsKeptWhatControllersReadAndNoMore(t *testing.T) {
	status := corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.1", ContainerStatuses: []corev1.ContainerStatus{{Name: "postgres", ImageID: "id"}}}
	kept := metav1.ObjectMeta{Name: "shop-1", Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"hash": "h"}, OwnerReferences: []metav1.OwnerReference{{UID: "1"}}}
	whole := &corev1.Pod{ObjectMeta: kept, Status: status, Spec: corev1.PodSpec{
		NodeName: "node-1", Volumes: []corev1.Volume{{Name: "data"}}, InitContainers: []corev1.Container{{Name: "install"}},
		Containers: []corev1.Container{{Name: "postgres", Image: "postgres:17", Env: []corev1.EnvVar{{Name: "A", Value: "B"}}, VolumeMounts: []corev1.VolumeMount{{Name: "data"}}}},
	}}
	whole.Status.HostIPs, whole.Status.ContainerStatuses = []corev1.HostIP{{IP: "10.0.0.9"}}, []corev1.ContainerStatus{{Name: "postgres", ImageID: "id", ContainerID: "c",
		VolumeMounts: []corev1.VolumeMountStatus{{Name: "data"}}, Resources: &corev1.ResourceRequirements{}, User: &corev1.ContainerUser{}}}
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

func TestWhatManyObjectsHaveInCommonIsInMemoryOnce(t *testing.T) {
	read := func() *corev1.Service {
		text := func(s string) string { return string([]byte(s)) } // as from a watch: memory of its own
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{
			Name: "shop-rw", Namespace: text("shop"), Labels: map[string]string{text("key"): text("shop")}, Annotations: map[string]string{text("hash"): text("abc")},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: text("v1"), Kind: text("PostgresCluster"), Name: text("shop"), UID: types.UID(text("u-1"))}},
		}}
		if _, err := slim(service); err != nil { // in place
			t.Fatal(err)
		}
		return service
	}
	texts := func(s *corev1.Service) []string {
		owner := s.OwnerReferences[0]
		all := []string{s.Namespace, owner.APIVersion, owner.Kind, owner.Name, string(owner.UID)}
		for _, values := range []map[string]string{s.Labels, s.Annotations} {
			for key, value := range values {
				all = append(all, key, value)
			}
		}
		return all
	}
	one, other := read(), read()
	if diff := cmp.Diff(one, other); diff != "" {
		t.Error(diff)
	}
	for i, text := range texts(one) {
		if unsafe.StringData(text) != unsafe.StringData(texts(other)[i]) {
			t.Errorf("%q is there twice", text)
		}
	}
}

func TestLabelsThatManyObjectsHaveAreOneMapAndOthersAreNot(t *testing.T) {
	labelled := func(labels map[string]string) map[string]string {
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Labels: labels}}
		if _, err := slim(service); err != nil { // in place
			t.Fatal(err)
		}
		return service.Labels
	}
	same := func(a, b map[string]string) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() }
	one := labelled(map[string]string{"cluster": "shop", "managed-by": "timonier"})
	if !same(one, labelled(map[string]string{"managed-by": "timonier", "cluster": "shop"})) {
		t.Error("the same labels are in memory twice")
	}
	for _, other := range []map[string]string{
		{"cluster": "timonier", "managed-by": "shop"}, {"cluster": "shop"}, {"cluster": "shop", "managed-by": "timonier", "instance": "shop-1"},
	} {
		if got := labelled(maps.Clone(other)); same(one, got) || !maps.Equal(got, other) {
			t.Errorf("of %v became %v", other, got)
		}
	}
	if labelled(nil) != nil {
		t.Error("no labels became some")
	}
}

func TestAPoolForgetsWhatItHasKnownBeforeItIsTooLarge(t *testing.T) {
	pool := &pool{seed: maphash.MakeSeed()}
	for i := range 3 * poolSize {
		pool.of(map[string]string{"cluster": strconv.Itoa(i)})
		if len(pool.maps) > poolSize {
			t.Fatalf("it knows %d", len(pool.maps))
		}
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
