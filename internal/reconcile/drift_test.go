package reconcile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
)

func service(spec object, annotations object) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: object{
		"kind": "Service", "apiVersion": "v1", "status": object{"loadBalancer": object{"ingress": "x"}}, "spec": spec,
		"metadata": object{"name": "shop-rw", "resourceVersion": "7", "annotations": annotations},
	}}
}

func TestDriftNamesEachFieldThatWouldChangeAndNothingElse(t *testing.T) {
	port := func(number any) []any { return []any{object{"name": "postgres", "port": number}} }
	for name, tc := range map[string]struct {
		live, becomes *unstructured.Unstructured
		want          []contract.Drift
	}{
		"nothing but what the API server writes": {
			service(object{"ports": port(int64(5432))}, object{annotationApplied: "1"}), service(object{"ports": port(float64(5432))}, object{annotationApplied: "2"}), nil,
		},
		"a port": {
			service(object{"ports": port(int64(6543))}, nil), service(object{"ports": port(int64(5432))}, nil),
			[]contract.Drift{{Kind: "Service", Name: "shop-rw", Field: "spec.ports[0].port", Found: "6543", Wanted: "5432"}},
		},
		"a list of another length": {
			service(object{"ports": append(port(int64(1)), port(int64(2))...)}, nil), service(object{"ports": port(int64(1))}, nil),
			[]contract.Drift{{Kind: "Service", Name: "shop-rw", Field: "spec.ports", Found: `[{"name":"postgres","port":1},{"name":"postgres","port":2}]`, Wanted: `[{"name":"postgres","port":1}]`}},
		},
		"a field that is missing, and one too many": {
			service(object{"type": "NodePort"}, object{"a.example/b": "1"}), service(object{"clusterIP": "None"}, object{}),
			[]contract.Drift{
				{Kind: "Service", Name: "shop-rw", Field: "metadata.annotations", Found: `{"a.example/b":"1"}`},
				{Kind: "Service", Name: "shop-rw", Field: "spec.clusterIP", Wanted: "None"},
				{Kind: "Service", Name: "shop-rw", Field: "spec.type", Found: "NodePort"},
			},
		},
		"an annotation with a point in its name": {
			service(nil, object{"a.example/b": "1"}), service(nil, object{"a.example/b": "2"}),
			[]contract.Drift{{Kind: "Service", Name: "shop-rw", Field: "metadata.annotations[a.example/b]", Found: "1", Wanted: "2"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, driftOf(tc.live, tc.becomes)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDriftNeverShowsWhatASecretHoldsAndIsBounded(t *testing.T) {
	secret := func(password string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: object{"kind": "Secret", "metadata": object{"name": "shop-app"}, "data": object{"password": password}, "type": password}}
	}
	drift := driftOf(secret("c2VjcmV0"), secret(strings.Repeat("é", 1000)))
	if len(drift) != 2 || drift[0] != (contract.Drift{Kind: "Secret", Name: "shop-app", Field: "data.password", Found: "(not shown)", Wanted: "(not shown)"}) {
		t.Errorf("drift: %+v", drift)
	}
	if len(drift[1].Wanted) > 256 {
		t.Errorf("a value has %d bytes", len(drift[1].Wanted))
	}
}

func TestWhatWouldBeReplacedIsWantedListsOverTheRest(t *testing.T) {
	live := object{"spec": object{"ports": []any{"a", "b"}, "type": "ClusterIP"}}
	overlay(live, object{"spec": object{"ports": []any{"c"}}})
	if diff := cmp.Diff(object{"spec": object{"ports": []any{"c"}, "type": "ClusterIP"}}, live); diff != "" {
		t.Error(diff)
	}
}
