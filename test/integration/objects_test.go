//go:build integration

package integration

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// object reads YAML as kubectl does.
func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	out := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &out.Object); err != nil {
		t.Fatalf("the test's YAML: %v\n%s", err, text)
	}
	return out
}

// cluster of this name, with the smallest spec that is accepted and these lines below spec.
func cluster(t *testing.T, name, spec string) *unstructured.Unstructured {
	t.Helper()
	if !strings.Contains(spec, "version:") {
		spec = `version: "17"` + "\n" + spec
	}
	if !strings.Contains(spec, "storage:") {
		spec = "storage: {size: 1Gi}\n" + spec
	}
	made := object(t, `
apiVersion: postgres.timonier.io/v1alpha1
kind: PostgresCluster
metadata: {name: "`+name+`", namespace: shop}
spec:
`+indent(spec))
	// It need not exist, and the API server ends with the tests; but each that is left is work for the operator, which later tests wait for.
	t.Cleanup(func() { _ = server.client.Delete(context.Background(), made) })
	return made
}

func indent(text string) string {
	var out strings.Builder
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		out.WriteString("  " + line + "\n")
	}
	return out.String()
}

// mustSay fails the test unless the refusal has these words; "" means that nothing is refused.
func mustSay(t *testing.T, err error, words string) {
	t.Helper()
	switch {
	case words == "" && err != nil:
		t.Errorf("refused: %v", err)
	case words != "" && err == nil:
		t.Errorf("accepted; wanted a refusal that says %q", words)
	case words != "" && !strings.Contains(err.Error(), words):
		t.Errorf("the refusal does not say %q: %v", words, err)
	}
}
