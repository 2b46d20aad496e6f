//go:build e2e

package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

const crd = "postgresclusters.postgres.timonier.io"

func TestUndeployLeavesDatabasesRunningAndRemovesThemOnlyWhenToldSo(t *testing.T) {
	mustHaveNoClustersOfOthers(t)
	s := newSpace(t)
	// Before the namespace is removed, which needs the operator.
	t.Cleanup(func() {
		if out, err := run(context.Background(), "make", "deploy"); err != nil {
			t.Errorf("installing the operator again: %v %s", err, out)
		}
	})
	c := s.create("orphan", instances(2))
	c.waitReady()
	before := c.processes()
	w := c.underLoad()

	mustRun(t, "make", "undeploy")
	if _, err := tryKubectl(t.Context(), "get", "namespace", operatorNamespace); refusedWith(err, "not found") != nil {
		t.Errorf("the operator's namespace is still there (%v)", err)
	}
	kubectl(t, "get", "crd", crd)
	w.goesOn()
	c.mustBeUntouched(before, names(before)...)

	mustRun(t, "make", "deploy")
	c.waitReady()
	w.finish(0)
	c.mustBeUntouched(before, names(before)...)

	volumes := c.volumes()
	if _, err := run(t.Context(), "make", "undeploy", "CONFIRM=yes"); refusedWith(err, "delete-all-clusters") != nil {
		t.Errorf("another word than the one asked for: %v", err)
	}
	c.mustBeUntouched(before, names(before)...)

	mustRun(t, "make", "undeploy", "CONFIRM=delete-all-clusters")
	if _, err := tryKubectl(t.Context(), "get", "crd", crd); refusedWith(err, "not found") != nil {
		t.Errorf("the CRD is still there (%v)", err)
	}
	eventually(t, saidWithin, "the pods are gone", func() error {
		if n := len(c.instancePods()); n > 0 {
			return errors.New("some are left")
		}
		return nil
	})
	if left := c.volumes(); len(left) != len(volumes) {
		t.Errorf("the volumes, which were to be kept, are %v", left)
	}
}

// mustHaveNoClustersOfOthers skips a test that removes every cluster where there is one that no test has made.
func mustHaveNoClustersOfOthers(t *testing.T) {
	t.Helper()
	var clusters v1alpha1.PostgresClusterList
	if err := kube.List(t.Context(), &clusters); err != nil {
		t.Fatal(err)
	}
	for _, found := range clusters.Items {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: found.Namespace}}
		err := kube.Get(t.Context(), client.ObjectKeyFromObject(namespace), namespace)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil || !strings.HasPrefix(namespace.Name, "e2e-") {
			t.Skipf("the cluster %s/%s would be removed by this test: delete it first, or run the tests on a fresh `make cluster-up`", found.Namespace, found.Name)
		}
	}
}
