package reconcile

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

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
		return &unstructured.Unstructured{Object: object{"kind": "Secret", "data": object{"password": password}, "type": password,
			"metadata": object{"name": "shop-app", "annotations": object{"a.example/copy": password}, "labels": object{"team": password}}}}
	}
	drift := driftOf(secret("c2VjcmV0"), secret(strings.Repeat("é", 1000)))
	for _, d := range drift {
		if shown := d.Field == "metadata.labels.team"; !shown && (d.Found != "changed" || d.Wanted != "not shown") {
			t.Errorf("drift shows %+v", d)
		}
		if len(d.Wanted) > 256 {
			t.Errorf("%s: a value has %d bytes", d.Field, len(d.Wanted))
		}
	}
	if len(drift) != 4 {
		t.Errorf("drift: %+v", drift)
	}
}

func TestARefusedDryRunIsAnEntryAndWhatPassesIsAnError(t *testing.T) {
	gone := schema.GroupResource{Resource: "services"}
	drift, err := Refused("Service", "shop-rw", apierrors.NewForbidden(gone, "shop-rw", errors.New("nobody may have it")))
	if err != nil || len(drift) != 1 || drift[0].Field != "?" || !strings.Contains(Describe(drift[0]), "Service/shop-rw could not be compared: ") || !strings.Contains(Describe(drift[0]), "nobody may have it") {
		t.Errorf("refused: %+v, %v", drift, err)
	}
	if drift, err := Refused("Service", "shop-rw", Wait(0, "Deleting", "still going away")); err != nil || len(drift) != 1 {
		t.Errorf("waited for: %+v, %v", drift, err)
	}
	if drift, err := Refused("Service", "shop-rw", apierrors.NewConflict(gone, "shop-rw", nil)); err == nil {
		t.Errorf("a conflict is told as %+v", drift)
	}
}

func TestDriftIsDescribedForPeople(t *testing.T) {
	for want, d := range map[string]contract.Drift{
		"Pod/shop-2 is missing":                                    Missing("Pod", "shop-2"),
		"Secret/shop-x is there, and not wanted":                   Surplus("Secret", "shop-x"),
		"Service/shop-rw spec.type: nothing, wanted ClusterIP":     {Kind: "Service", Name: "shop-rw", Field: "spec.type", Wanted: "ClusterIP"},
		"Service/shop-rw spec.ports[0].port: 1234, wanted nothing": {Kind: "Service", Name: "shop-rw", Field: "spec.ports[0].port", Found: "1234"},
		"Secret/shop-app data.password: changed, wanted not shown": {Kind: "Secret", Name: "shop-app", Field: "data.password", Found: "changed", Wanted: "not shown"},
	} {
		if got := Describe(d); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
