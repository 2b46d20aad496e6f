//go:build integration

package integration

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
)

func TestWhatAPlatformMaySay(t *testing.T) {
	for _, test := range []struct{ name, platform, spec, says string }{
		{"the one", "default", `{postgresImages: [{version: "17", image: "registry.example/postgres:17"}]}`, ""},
		{"another name", "other", `{}`, "metadata.name: there is one Platform, and its name is default"},
		{"a version twice", "default", `{postgresImages: [{version: "17", image: a}, {version: "17", image: b}]}`, "Duplicate value"},
		{"an unknown version", "default", `{postgresImages: [{version: "16", image: a}]}`, `supported values: "15", "17"`},
		{"no image", "default", `{postgresImages: [{version: "17"}]}`, "spec.postgresImages[0].image: Required"},
		{"an empty image", "default", `{postgresImages: [{version: "17", image: ""}]}`, "spec.postgresImages[0].image"},
		{"all removed", "default", `{managementState: Removed}`, "only single clusters can be Removed"},
		{"an override of a child", "default", `{overrides: [{kind: Service, namespace: shop, name: a-rw, unmanaged: true}]}`, ""},
		{"an override of a cluster", "default", `{overrides: [{kind: PostgresCluster, group: postgres.timonier.io, namespace: shop, name: a, unmanaged: true}]}`, ""},
		{"an override of clusters without their group", "default", `{overrides: [{kind: PostgresCluster, unmanaged: true}]}`, "write postgres.timonier.io for a PostgresCluster"},
		{"an override of a budget without its group", "default", `{overrides: [{kind: PodDisruptionBudget, unmanaged: true}]}`, "policy for a PodDisruptionBudget"},
		{"an override of a budget", "default", `{overrides: [{kind: PodDisruptionBudget, group: policy, unmanaged: true}]}`, ""},
		{"an override of a Service of another group", "default", `{overrides: [{kind: Service, group: apps, unmanaged: true}]}`, "none for Pod, Service"},
		{"an override of what may come", "default", `{overrides: [{kind: ConfigMap, unmanaged: true}, {kind: CronJob, group: batch, unmanaged: true}]}`, ""},
		{"an override of operations", "default", `{overrides: [{kind: PostgresOperation, group: postgres.timonier.io, unmanaged: true}]}`, "operations follow their cluster"},
		{"an override without a kind", "default", `{overrides: [{name: a, unmanaged: true}]}`, "spec.overrides[0].kind: Required"},
		{"the same override twice, once with its defaults written", "default", `{overrides: [{kind: Service, unmanaged: true}, {kind: Service, group: "", namespace: "", name: "", unmanaged: true}]}`, "Duplicate value"},
		{"overrides of the same name in two namespaces", "default", `{overrides: [{kind: Service, name: a, unmanaged: true}, {kind: Service, namespace: shop, name: a, unmanaged: true}]}`, ""},
		{"a misspelt field", "default", `{images: []}`, "unknown field"},
	} {
		t.Run(test.name, func(t *testing.T) {
			made := object(t, `
apiVersion: platform.timonier.io/v1alpha1
kind: Platform
metadata: {name: `+test.platform+`}
spec: `+test.spec)
			err := server.client.Create(t.Context(), made)
			mustSay(t, err, test.says)
			if err == nil {
				if err := server.client.Delete(t.Context(), made); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestWithoutAPlatformWhatPreventsAnUpgradeIsToldInEventsOfTheOperatorsLease(t *testing.T) {
	c := operatorRuns(t)
	platformSays(t, c, platformv1alpha1.PlatformSpec{})
	gone := &platformv1alpha1.Platform{ObjectMeta: metav1.ObjectMeta{Name: platformv1alpha1.SingletonName}}
	if err := c.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	asked(t, c, "blocks", "instances: 1")
	unmanaged(t, c, "blocks")
	eventually(t, "an event of the operator's Lease names it", func() bool {
		var all eventsv1.EventList
		if err := c.List(t.Context(), &all, client.InNamespace("timonier-system")); err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(all.Items, func(e eventsv1.Event) bool {
			return e.Regarding.Kind == "Lease" && e.Regarding.Name == "timonier-operator" && e.Reason == platformv1alpha1.ReasonManagementOverridesSet &&
				e.Type == corev1.EventTypeWarning && strings.Contains(e.Note, "PostgresCluster shop/blocks is left alone")
		})
	})
}
