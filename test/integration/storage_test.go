//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/timonier-io/timonier/internal/reconcile"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

// A cluster of few objects has no majority that would show that the fault is not theirs.
func TestWhatEtcdRefusesBehindTheAPIServerCountsForNobody(t *testing.T) {
	environment := controlPlane()
	environment.ControlPlane.Etcd = &envtest.Etcd{}
	environment.ControlPlane.Etcd.Configure().Set("quota-backend-bytes", fmt.Sprint(16<<20))
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Errorf("stopping the API server: %v", err)
		}
	})
	config, err := environment.Start()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	named := func(name string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	}
	known := named("known")
	if err := c.Create(t.Context(), known); err != nil {
		t.Fatal(err)
	}
	for n := 0; err == nil; n++ {
		large := named(fmt.Sprintf("large-%d", n))
		large.Data = map[string]string{"content": strings.Repeat("x", 900<<10)}
		err = c.Create(t.Context(), large)
	}
	for what, refused := range map[string]error{
		"creating": c.Create(t.Context(), named("new")),
		"applying": c.Apply(t.Context(), corev1ac.ConfigMap("known", "default").WithData(map[string]string{"a": "b"}), client.FieldOwner("test")),
	} {
		if cause, reason := reconcile.CauseOf(fmt.Errorf("%s: %w", what, refused)); cause != quarantine.Passing || reason != "Storage" {
			t.Errorf("%s: cause %d, reason %q: %#v", what, cause, reason, refused)
		}
	}
}
