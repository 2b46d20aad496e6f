//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// attempt is something that a person writes, and what they are told; "" where it is accepted.
type attempt struct {
	name string
	spec string
	says string
}

func TestWhatASpecMaySay(t *testing.T) {
	groups := map[string][]attempt{
		"version": {
			{"known", `version: "15"`, ""},
			{"unknown", `version: "16"`, `supported values: "15", "17"`},
			{"a number", `version: 17`, "string"},
		},
		"instances": {
			{"none, hibernated", `instances: 0`, ""},
			{"nine", `instances: 9`, ""},
			{"ten", `instances: 10`, "should be less than or equal to 9"},
			{"less than none", `instances: -1`, "should be greater than or equal to 0"},
		},
		"team": {
			{"a label", `team: commerce-2.eu`, ""},
			{"with a space", `team: our team`, "team: letters, digits, hyphens, underscores and dots"},
			{"too long", `team: ` + strings.Repeat("a", 64), "63"},
		},
		"image": {
			{"empty", `image: ""`, "spec.image"},
			{"too long", `image: ` + strings.Repeat("a", 513), "512"},
		},
		"storage": {
			{"the least", `storage: {size: 300Mi}`, ""},
			{"bytes", `storage: {size: 1073741824}`, ""},
			{"with a WAL volume", `storage: {size: 1Gi, wal: {size: 1Gi, storageClassName: fast}}`, ""},
			{"too small", `storage: {size: 200Mi}`, "size: at least 300Mi"},
			{"a WAL volume too small", `storage: {size: 1Gi, wal: {size: 1Mi}}`, "size: at least 300Mi"},
			{"without a size", `storage: {}`, "spec.storage.size: Required"},
			{"not a quantity", `storage: {size: big}`, "spec.storage.size"},
			{"a negative size", `storage: {size: "-1Gi"}`, "size: at least 300Mi"},
			{"an empty class", `storage: {size: 1Gi, storageClassName: ""}`, "spec.storage.storageClassName"},
			{"unknown retention", `storage: {size: 1Gi, retentionPolicy: {whenDeleted: Keep}}`, `supported values: "Retain", "Delete"`},
		},
		"resources": {
			{"requests and limits", `resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}`, ""},
			{"more asked for than allowed", `resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}`, "resources: a request is greater than its limit"},
			{"more asked for than allowed, in other units", `resources: {requests: {cpu: 1500m}, limits: {cpu: 1}}`, "resources: a request is greater than its limit"},
		},
		"parameters": {
			{"text and integers", `parameters: {shared_buffers: 256MB, max_connections: 200}`, ""},
			{"a decimal number, quoted", `parameters: {random_page_cost: "1.1"}`, ""},
			{"a boolean", `parameters: {jit: off}`, "spec.parameters.jit"},
			{"too many", "parameters: {" + listOf(201, "p%d: 1") + "}", "200"},
		},
		"hba": {
			{"a line", `hba: ["hostssl all all 10.0.0.0/8 scram-sha-256"]`, ""},
			{"an empty line", `hba: [""]`, "spec.hba[0]"},
			{"a line too long", `hba: ["` + strings.Repeat("a", 513) + `"]`, "512"},
			{"two lines in one", `hba: ["hostssl all all all cert\nhost all all all trust"]`, "hba: one line each"},
			{"too many", "hba: [" + listOf(101, "hostssl db%d all all cert") + "]", "100"},
		},
		"metadata": {
			{"ours", `metadata: {labels: {timonier.io/cluster: x}}`, "labels: timonier.io/… and app.kubernetes.io/… are set by Timonier; choose another key"},
			{"Kubernetes' own", `metadata: {labels: {app.kubernetes.io/managed-by: x}}`, "choose another key"},
			{"our annotations", `metadata: {annotations: {timonier.io/term: x}}`, "annotations: timonier.io/… are set by Timonier"},
			{"theirs", `metadata: {labels: {cost-center: "42"}, annotations: {example.com/note: x}}`, ""},
		},
		"scheduling": {
			{"all of it", `
scheduling:
  nodeSelector: {disk: fast}
  nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}
  antiAffinity: {type: Required, topologyKey: topology.kubernetes.io/zone}
  tolerations: [{key: db, operator: Exists}]
  topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]
  priorityClassName: database`, ""},
			{"unknown anti-affinity", `scheduling: {antiAffinity: {type: Always}}`, `supported values: "Preferred", "Required", "Disabled"`},
		},
	}
	for group, attempts := range groups {
		t.Run(group, func(t *testing.T) { try(t, attempts) })
	}
}

func try(t *testing.T, attempts []attempt) {
	t.Helper()
	for i, a := range attempts {
		t.Run(a.name, func(t *testing.T) {
			made := cluster(t, fmt.Sprintf("create-%d", i), a.spec)
			err := server.client.Create(t.Context(), made)
			mustSay(t, err, a.says)
			if err == nil {
				if err := server.client.Delete(t.Context(), made); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// listOf n entries, each different.
func listOf(n int, format string) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(format, i))
	}
	return strings.Join(out, ", ")
}

func TestNamesFitWhatIsMadeOfThem(t *testing.T) {
	for name, says := range map[string]string{
		strings.Repeat("a", 40): "",
		"a":                     "",
		"orders-2":              "",
		strings.Repeat("a", 41): "metadata.name: at most 40 characters",
		"2-orders":              "beginning with a letter",
		"orders.eu":             "use lower-case letters, digits and hyphens",
		"Orders":                "lower case",
	} {
		t.Run(name, func(t *testing.T) {
			mustSay(t, server.client.Create(t.Context(), cluster(t, name, "")), says)
		})
	}
}

func TestWhatIsNotInTheSchemaIsRefused(t *testing.T) {
	for name, spec := range map[string]string{
		"a misspelt field":           `instance: 3`,
		"a misspelt field below":     `storage: {size: 1Gi, class: fast}`,
		"a field of a later release": `backup: {repositories: []}`,
	} {
		t.Run(name, func(t *testing.T) {
			mustSay(t, server.client.Create(t.Context(), cluster(t, "unknown", spec)), "unknown field")
		})
	}
	without := cluster(t, "without", "")
	unstructured.RemoveNestedField(without.Object, "spec", "storage")
	mustSay(t, server.client.Create(t.Context(), without), "spec.storage: Required")
}
