//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestWhatOfASpecMayChange(t *testing.T) {
	for i, test := range []struct{ name, before, after, says string }{
		{"a volume grows", `storage: {size: 1Gi}`, `storage: {size: 2Gi}`, ""},
		{"a volume shrinks", `storage: {size: 1Gi}`, `storage: {size: 512Mi}`, "size: a volume cannot shrink; restore the former size"},
		{"the same size in other words", `storage: {size: 1Gi}`, `storage: {size: 1024Mi}`, ""},
		{"a WAL volume grows", `storage: {size: 1Gi, wal: {size: 1Gi}}`, `storage: {size: 1Gi, wal: {size: 2Gi}}`, ""},
		{"a WAL volume shrinks", `storage: {size: 1Gi, wal: {size: 2Gi}}`, `storage: {size: 1Gi, wal: {size: 1Gi}}`, "size: a volume cannot shrink"},
		{"a WAL volume is taken away", `storage: {size: 1Gi, wal: {size: 1Gi}}`, `storage: {size: 1Gi}`, "storage.wal: a WAL volume cannot be taken away"},
		{"a WAL volume is added", `storage: {size: 1Gi}`, `storage: {size: 1Gi, wal: {size: 1Gi}}`, "storage.wal: a WAL volume cannot be added"},
		{"another class", `storage: {size: 1Gi, storageClassName: a}`, `storage: {size: 1Gi, storageClassName: b}`, "storageClassName: the class of an existing volume cannot change"},
		{"a class is named afterwards", `storage: {size: 1Gi}`, `storage: {size: 1Gi, storageClassName: b}`, "storageClassName: the class of an existing volume cannot change"},
		{"a class is named no more", `storage: {size: 1Gi, storageClassName: a}`, `storage: {size: 1Gi}`, "storageClassName: the class of an existing volume cannot change"},
		{"an older version", `version: "17"`, `version: "15"`, "version: PostgreSQL cannot go back to an older major version"},
		{"a newer version", `version: "15"`, `version: "17"`, "version: an upgrade to another major version in place is not possible yet"},
		{"what is kept", `storage: {size: 1Gi}`, `storage: {size: 1Gi, retentionPolicy: {whenDeleted: Delete}}`, ""},
		{"the number of instances", `instances: 3`, `instances: 0`, ""},
		{"parameters, hba and roles", `parameters: {work_mem: 4MB}`, "hba: [hostssl all all all cert]\nroles: [{name: app}]", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := fmt.Sprintf("change-%d", i)
			made := cluster(t, name, test.before)
			if err := server.client.Create(t.Context(), made); err != nil {
				t.Fatal(err)
			}
			// As a patch, since the operator of other tests may be at work on the same object.
			spec, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/spec", "value": cluster(t, name, test.after).Object["spec"]}})
			if err != nil {
				t.Fatal(err)
			}
			mustSay(t, server.client.Patch(t.Context(), made, client.RawPatch(types.JSONPatchType, spec)), test.says)
		})
	}
}

func TestDefaultsAreFewAndShown(t *testing.T) {
	made := cluster(t, "defaults", `roles: [{name: app}]`)
	if err := server.client.Create(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		value any
		path  []string
	}{
		{int64(3), []string{"spec", "instances"}},
		{nil, []string{"spec", "services"}},
		{nil, []string{"spec", "scheduling"}},
		{nil, []string{"spec", "storage", "storageClassName"}},
	} {
		got, _, err := unstructured.NestedFieldNoCopy(made.Object, want.path...)
		if err != nil || got != want.value {
			t.Errorf("%v is %v, want %v (%v)", want.path, got, want.value, err)
		}
	}
	roles, _, _ := unstructured.NestedSlice(made.Object, "spec", "roles")
	if role, ok := roles[0].(map[string]any); !ok || role["ensure"] != "Present" || role["login"] != true || role["connectionLimit"] != int64(-1) {
		t.Errorf("role %v", roles[0])
	}
}

func TestStatusIsWrittenApartFromTheSpec(t *testing.T) {
	made := cluster(t, "status", "")
	if err := server.client.Create(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	generation := made.GetGeneration()
	// By patches: the operator of other tests may write the status in between.
	status := client.RawPatch(types.MergePatchType, []byte(`{"status":{"systemIdentifier":"7000000000000000000"}}`))
	if err := server.client.Patch(t.Context(), made, status); err != nil {
		t.Fatal(err)
	}
	if got, found, _ := unstructured.NestedString(made.Object, "status", "systemIdentifier"); found {
		t.Errorf("a patch of the object wrote the status: %s", got)
	}
	if err := server.client.Status().Patch(t.Context(), made, status); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := unstructured.NestedString(made.Object, "status", "systemIdentifier"); got != "7000000000000000000" {
		t.Errorf("a patch of the status wrote %q", got)
	}
	if made.GetGeneration() != generation {
		t.Error("a status raised the generation")
	}
}
