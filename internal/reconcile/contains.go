package reconcile

import (
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
)

// contains tells whether everything wanted is in have, whatever else is there: defaults of the API server,
// other people's fields. A false "no" costs one apply that changes nothing; so lists must agree in length.
func contains(want, have any) bool {
	switch want := want.(type) {
	case map[string]any:
		have, ok := have.(map[string]any)
		if !ok {
			return len(want) == 0 && have == nil
		}
		return containsFields(want, have)
	case []any:
		have, ok := have.([]any)
		if !ok || len(want) != len(have) {
			return len(want) == 0 && !ok
		}
		return slices.EqualFunc(want, have, contains)
	default:
		return equality.Semantic.DeepEqual(want, have) || sameScalar(want, have)
	}
}

func containsFields(want, have map[string]any) bool {
	for key, value := range want {
		// The API server gives no kind to objects in lists, and ours are of the kind that was asked for.
		if key != "kind" && key != "apiVersion" && !contains(value, have[key]) {
			return false
		}
	}
	return true
}

// sameScalar compares numbers and quantities, that the API server writes in its own way: 0.5 as 500m.
func sameScalar(want, have any) bool {
	if want == nil || have == nil {
		return false
	}
	a, b := fmt.Sprint(number(want)), fmt.Sprint(number(have))
	if a == b {
		return true
	}
	x, errX := resource.ParseQuantity(a)
	y, errY := resource.ParseQuantity(b)
	return errX == nil && errY == nil && x.Cmp(y) == 0
}

func number(value any) any {
	if n, ok := value.(json.Number); ok {
		return n.String()
	}
	return value
}
