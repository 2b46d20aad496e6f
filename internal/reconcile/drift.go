package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
)

// Drift tells, field by field, what Apply would change of an object, and changes nothing: the API server is asked in a dry run, so that its defaults are no
// differences. A missing object is one Drift without a field.
func (a Applier) Drift(ctx context.Context, owner Owner, desired runtime.ApplyConfiguration) ([]contract.Drift, error) {
	want, err := asUnstructured(desired)
	if err != nil {
		return nil, err
	}
	setHash(want)
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(want.GroupVersionKind())
	err = a.Live.Get(ctx, client.ObjectKeyFromObject(want), live)
	if apierrors.IsNotFound(err) {
		return []contract.Drift{{Kind: want.GetKind(), Name: want.GetName()}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", want.GetKind(), want.GetName(), err)
	}
	if err := owner.owns(live); err != nil {
		return nil, err
	}
	answer := want.DeepCopy()
	err = a.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(answer), client.FieldOwner(a.FieldOwner), client.ForceOwnership, client.DryRunAll)
	if apierrors.IsInvalid(err) || (err == nil && !contains(want.Object, answer.Object)) {
		// What Apply would then replace: our lists in place of those that somebody added to.
		answer = live.DeepCopy()
		overlay(answer.Object, want.Object)
	} else if err != nil {
		return nil, fmt.Errorf("%s %s: %w", want.GetKind(), want.GetName(), err)
	}
	return driftOf(live, answer), nil
}

// driftOf an object from what it would become.
func driftOf(live, becomes *unstructured.Unstructured) []contract.Drift {
	var drift []contract.Drift
	differences("", told(live), told(becomes), func(field string, found, wanted any) {
		entry := contract.Drift{Kind: live.GetKind(), Name: live.GetName(), Field: cut(field), Found: text(found), Wanted: text(wanted)}
		if live.GetKind() == "Secret" && strings.HasPrefix(field, "data") {
			entry.Found, entry.Wanted = hidden(found), hidden(wanted)
		}
		drift = append(drift, entry)
	})
	return drift
}

// told is what of an object is worth to be told: not what the API server writes by itself, nor what others report.
func told(object *unstructured.Unstructured) map[string]any {
	kept := object.DeepCopy()
	for _, field := range []string{"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"} {
		unstructured.RemoveNestedField(kept.Object, "metadata", field)
	}
	unstructured.RemoveNestedField(kept.Object, "metadata", "annotations", annotationApplied)
	if len(kept.GetAnnotations()) == 0 {
		unstructured.RemoveNestedField(kept.Object, "metadata", "annotations")
	}
	delete(kept.Object, "status")
	return kept.Object
}

// overlay writes what is wanted over an object, lists as a whole.
func overlay(object, want map[string]any) {
	for key, value := range want {
		wanted, isMap := value.(map[string]any)
		present, wasMap := object[key].(map[string]any)
		if isMap && wasMap {
			overlay(present, wanted)
			continue
		}
		object[key] = runtime.DeepCopyJSONValue(value)
	}
}

// differences of two values, each with its path, as spec.ports[0].port.
func differences(path string, found, wanted any, tell func(path string, found, wanted any)) {
	switch wanted := wanted.(type) {
	case map[string]any:
		if found, ok := found.(map[string]any); ok {
			differentFields(path, found, wanted, tell)
			return
		}
	case []any:
		if found, ok := found.([]any); ok && len(found) == len(wanted) {
			for i := range wanted {
				differences(fmt.Sprintf("%s[%d]", path, i), found[i], wanted[i], tell)
			}
			return
		}
	default:
		if found == nil && wanted == nil || sameScalar(wanted, found) {
			return
		}
	}
	tell(path, found, wanted)
}

func differentFields(path string, found, wanted map[string]any, tell func(path string, found, wanted any)) {
	keys := slices.Collect(maps.Keys(found))
	for key := range wanted {
		if _, both := found[key]; !both {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		field := key
		switch {
		case strings.ContainsAny(key, "./"):
			field = path + "[" + key + "]"
		case path != "":
			field = path + "." + key
		}
		differences(field, found[key], wanted[key], tell)
	}
}

// text of a value for people, bounded.
func text(value any) string {
	if value == nil {
		return ""
	}
	if word, ok := value.(string); ok {
		return cut(word)
	}
	content, err := json.Marshal(value)
	if err != nil {
		return "?" // what came as JSON can be written as such
	}
	return cut(string(content))
}

// hidden stands for what a Secret holds.
func hidden(value any) string {
	if value == nil {
		return ""
	}
	return "(not shown)"
}

// cut to what a field of a Drift may hold.
func cut(text string) string {
	const limit = 240
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + " …"
}
