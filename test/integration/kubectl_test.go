//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var group = schema.GroupVersion{Group: "postgres.timonier.io", Version: "v1alpha1"}

func TestShortNamesAndCategories(t *testing.T) {
	for _, kind := range []struct{ group, plural, short string }{
		{"postgres.timonier.io", "postgresclusters", "pgc"}, {"postgres.timonier.io", "postgresoperations", "pgop"}, {"platform.timonier.io", "platforms", "pgplat"},
	} {
		resources, err := discovery.NewDiscoveryClientForConfigOrDie(server.config).ServerResourcesForGroupVersion(kind.group + "/v1alpha1")
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(resources.APIResources, func(r metav1.APIResource) bool { return r.Name == kind.plural })
		if at < 0 {
			t.Fatalf("the API server does not list %s", kind.plural)
		}
		if listed := resources.APIResources[at]; !slices.Contains(listed.ShortNames, kind.short) || !slices.Contains(listed.Categories, "timonier") {
			t.Errorf("%s: short names %v, categories %v", kind.plural, listed.ShortNames, listed.Categories)
		}
	}
}

// TestColumns holds what `kubectl get pgc` shows, in this order.
func TestColumns(t *testing.T) {
	made := cluster(t, "columns", "team: commerce\nresources: {requests: {cpu: 500m, memory: 1Gi}}")
	if err := server.client.Create(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	status := map[string]any{
		"summary": map[string]any{"instances": "2/3"},
		"conditions": []any{map[string]any{
			"type": "Ready", "status": "False", "reason": "Scaling", "message": "adding an instance", "lastTransitionTime": "2026-01-01T00:00:00Z",
		}},
	}
	content, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		t.Fatal(err)
	}
	// The operator of other tests may be at work on the same object: until it is seen as written here.
	var shown *metav1.Table
	eventually(t, "the status of this test in the table", func() bool {
		if err := server.client.Status().Patch(t.Context(), made, client.RawPatch(types.MergePatchType, content)); err != nil {
			t.Fatal(err)
		}
		shown = table(t, "columns")
		return slices.Contains(shown.Rows[0].Cells, any("Scaling"))
	})
	want := map[string]any{
		"Name": "columns", "Team": "commerce", "Version": "17", "Instances": "2/3", "Volume": "1Gi",
		"CPU": "500m", "Memory": "1Gi", "Age": nil, "Status": "Scaling",
	}
	var order []string
	for i, column := range shown.ColumnDefinitions {
		if column.Priority > 0 {
			continue
		}
		order = append(order, column.Name)
		if value := want[column.Name]; value != nil && shown.Rows[0].Cells[i] != value {
			t.Errorf("%s is %v, want %v", column.Name, shown.Rows[0].Cells[i], value)
		}
	}
	if wanted := []string{"Name", "Team", "Version", "Instances", "Volume", "CPU", "Memory", "Age", "Status"}; !slices.Equal(order, wanted) {
		t.Errorf("columns %v, want %v", order, wanted)
	}
}

// table is what the API server renders for kubectl.
func table(t *testing.T, name string) *metav1.Table {
	t.Helper()
	config := rest.CopyConfig(server.config)
	config.GroupVersion, config.APIPath = &group, "/apis"
	config.NegotiatedSerializer = serializer.WithoutConversionCodecFactory{CodecFactory: scheme.Codecs}
	api, err := rest.RESTClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	var out metav1.Table
	err = api.Get().Namespace("shop").Resource("postgresclusters").Name(name).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(t.Context()).Into(&out)
	if err != nil {
		t.Fatal(err)
	}
	return &out
}

// TestSamplesApply holds that what the README tells people to apply is accepted, strictly.
func TestSamplesApply(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "config", "samples", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	applied := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
		for {
			var made unstructured.Unstructured
			if decoder.Decode(&made) != nil {
				break
			}
			if made.GetKind() == "" || made.GetKind() == "Kustomization" {
				continue
			}
			if made.GetNamespace() == "" {
				made.SetNamespace("default")
			}
			if err := server.client.Create(t.Context(), &made, client.DryRunAll); err != nil {
				t.Errorf("%s: %v", filepath.Base(file), err)
			}
			applied++
		}
	}
	if applied == 0 {
		t.Error("there is no sample in config/samples")
	}
}
