package operator

import (
	"maps"
	"reflect"
	"sync"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/timonier-io/timonier/internal/naming"
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
			OwnerReferences: []metav1.OwnerReference{{APIVersion: text("v1"), Kind: text("PostgresCluster"), Name: text("shop"), UID: types.UID(text("u-1")), Controller: new(true), BlockOwnerDeletion: new(true)}},
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
	slimmed := func(labels map[string]string) map[string]string {
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Labels: labels}}
		if _, err := slim(service); err != nil { // in place
			t.Fatal(err)
		}
		return service.Labels
	}
	same := func(a, b map[string]string) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() }
	one := slimmed(map[string]string{"cluster": "shop", "managed-by": "timonier"})
	if !same(one, slimmed(map[string]string{"managed-by": "timonier", "cluster": "shop"})) {
		t.Error("the same labels are in memory twice")
	}
	for _, other := range []map[string]string{
		{"cluster": "timonier", "managed-by": "shop"}, {"cluster": "shop"}, {"cluster": "shop", "managed-by": "timonier", naming.LabelInstance: "shop-1"},
	} {
		if got := slimmed(maps.Clone(other)); same(one, got) || !maps.Equal(got, other) {
			t.Errorf("of %v became %v", other, got)
		}
	}
	if slimmed(nil) != nil {
		t.Error("no labels became some")
	}
}

func TestTheOwnerOfManyObjectsIsInMemoryOnceAndAnotherOneIsNot(t *testing.T) {
	owner := func(change func(*metav1.OwnerReference)) []metav1.OwnerReference {
		one := metav1.OwnerReference{APIVersion: "v1", Kind: "PostgresCluster", Name: "shop", UID: "u-1", Controller: new(true), BlockOwnerDeletion: new(true)}
		change(&one)
		return []metav1.OwnerReference{one}
	}
	asItIs := func(*metav1.OwnerReference) {}
	slimmed := func(owners []metav1.OwnerReference) []metav1.OwnerReference {
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{OwnerReferences: owners}}
		if _, err := slim(service); err != nil { // in place
			t.Fatal(err)
		}
		return service.OwnerReferences
	}
	one := slimmed(owner(asItIs))
	if &slimmed(owner(asItIs))[0] != &one[0] {
		t.Error("the same owner is in memory twice")
	}
	// The cache hands over again what it holds, while others read it.
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			if again := slimmed(one); &again[0] != &one[0] {
				t.Error("a second time it is another one")
			}
		})
	}
	readers.Wait()
	for name, other := range map[string][]metav1.OwnerReference{
		"another name":           owner(func(o *metav1.OwnerReference) { o.Name = "sales" }),
		"another object":         owner(func(o *metav1.OwnerReference) { o.UID = "u-2" }),
		"another kind":           owner(func(o *metav1.OwnerReference) { o.Kind = "Platform" }),
		"another version":        owner(func(o *metav1.OwnerReference) { o.APIVersion = "v2" }),
		"one that controls none": owner(func(o *metav1.OwnerReference) { o.Controller = new(false) }),
		"one that blocks none":   owner(func(o *metav1.OwnerReference) { o.BlockOwnerDeletion = new(false) }),
		"one that says neither":  owner(func(o *metav1.OwnerReference) { o.Controller, o.BlockOwnerDeletion = nil, nil }),
		"two":                    append(owner(asItIs), owner(asItIs)...),
		"none":                   nil,
	} {
		want := append([]metav1.OwnerReference(nil), other...)
		if diff := cmp.Diff(want, slimmed(other)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAPoolForgetsWhatItHasKnownBeforeItIsTooLarge(t *testing.T) {
	var numbers pool[int, int]
	for i := range 3 * poolSize {
		made := func(value int) func() int { return func() int { return value } }
		if numbers.of(i, made(i)) != i || numbers.of(i, made(-1)) != i {
			t.Fatalf("%d is not known", i)
		}
		if len(numbers.known) > poolSize {
			t.Fatalf("it knows %d", len(numbers.known))
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
