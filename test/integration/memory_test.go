//go:build integration

package integration

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/internal/naming"
)

// The operator runs in this process, so that its memory is this process's. Peers were killed for memory at 25 clusters,
// since they kept every Secret of the Kubernetes cluster.
func TestMemoryDoesNotGrowWithOtherPeoplesObjects(t *testing.T) {
	const objects, size, allowed = 60, 200 << 10, 4 << 20
	c := operatorRuns(t)
	asked(t, c, "lean-before", "instances: 1")
	exists[corev1.Secret](t, c, naming.RoleSecret("lean-before", naming.DefaultRole))
	before := heap()
	content := map[string][]byte{"content": make([]byte, size)}
	for i := range objects {
		meta := metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("foreign-%d", i)}
		if err := c.Create(t.Context(), &corev1.Secret{ObjectMeta: meta, Data: content}); err != nil {
			t.Fatal(err)
		}
		if err := c.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: meta, BinaryData: content}); err != nil {
			t.Fatal(err)
		}
		meta.Annotations = map[string]string{"example.com/content": strings.Repeat("x", size)}
		if err := c.Create(t.Context(), &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "foreign", Image: "registry.example/foreign:1"}}}}); err != nil {
			t.Fatal(err)
		}
		if err := c.Create(t.Context(), &coordinationv1.Lease{ObjectMeta: meta}); err != nil {
			t.Fatal(err)
		}
	}
	// A cluster that is asked for after them is served after their events would have arrived.
	asked(t, c, "lean-after", "instances: 1")
	exists[corev1.Secret](t, c, naming.RoleSecret("lean-after", naming.DefaultRole))
	if grown := int64(heap()) - int64(before); grown > allowed {
		t.Errorf("the operator holds %d KiB more with %d KiB of objects that are not its own", grown>>10, 4*objects*size>>10)
	}
}

// heap in use after all garbage is collected, in bytes.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers of the first have released
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
