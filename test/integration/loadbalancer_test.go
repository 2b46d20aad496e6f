//go:build integration

package integration

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// What a server-side apply leaves empty must be left out: where nothing is left of an object that was there, the API server
// makes it null, and then refuses what it made. See https://github.com/kubernetes-sigs/structured-merge-diff/issues/305.
func TestTheStatusFollowsALoadBalancerThatComesAndGoes(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "exposed", "instances: 1\nservices: {primary: {type: LoadBalancer}}")
	told := func(addresses ...string) {
		t.Helper()
		eventually(t, "the addresses in the status", func() bool {
			return slices.Equal(exists[v1alpha1.PostgresCluster](t, c, "exposed").Status.LoadBalancers.Primary, addresses)
		})
	}
	for range 2 {
		before := exists[corev1.Service](t, c, naming.PrimaryService("exposed"))
		given := before.DeepCopy()
		given.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.7"}}
		if err := c.Status().Patch(t.Context(), given, client.MergeFrom(before)); err != nil {
			t.Fatal(err)
		}
		told("192.0.2.7")
		edited(t, c, "exposed", func(p *v1alpha1.PostgresCluster) { p.Spec.Services.Primary.Type = corev1.ServiceTypeClusterIP })
		told()
		// And what is said afterwards is written, too.
		edited(t, c, "exposed", func(p *v1alpha1.PostgresCluster) { p.Spec.Services.Primary.Type = corev1.ServiceTypeLoadBalancer })
		eventually(t, "the last generation in the status", func() bool {
			found := exists[v1alpha1.PostgresCluster](t, c, "exposed")
			return found.Status.ObservedGeneration == found.Generation
		})
	}
}
