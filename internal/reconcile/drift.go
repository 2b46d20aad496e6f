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
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

// refusedField stands for what could not be found out about a child, since the API server refused the dry run, or it is not ours.
const refusedField = "?"

// exists stands for a child as a whole.
const exists = "exists"

// Drift tells, field by field, what Apply would change of an object, and changes nothing: the API server is asked in a dry run, so that its defaults are no
// differences. A missing object is one Drift without a field, and so is a refusal one with the field "?": one child keeps nobody from knowing about the others. The
// error is for what passes: a connection that is lost, a conflict.
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
		return []contract.Drift{Missing(want.GetKind(), want.GetName())}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", want.GetKind(), want.GetName(), err)
	}
	if err := owner.owns(live); err != nil {
		return Refused(want.GetKind(), want.GetName(), err)
	}
	becomes, err := a.tried(ctx, want)
	if err != nil {
		return Refused(want.GetKind(), want.GetName(), err)
	}
	return driftOf(live, becomes), nil
}

// tried is what an object that exists would become by Apply, by its replacement of lists too.
func (a Applier) tried(ctx context.Context, want *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	answer := want.DeepCopy()
	err := a.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(answer), client.FieldOwner(a.FieldOwner), client.ForceOwnership, client.DryRunAll)
	if !apierrors.IsInvalid(err) && (err != nil || contains(want.Object, answer.Object)) {
		return answer, err
	}
	content, err := want.MarshalJSON()
	if err != nil {
		return nil, err
	}
	answer = want.DeepCopy()
	return answer, a.Client.Patch(ctx, answer, client.RawPatch(types.MergePatchType, content), client.FieldOwner(a.FieldOwner), client.DryRunAll)
}

// Missing is that a child is not there.
func Missing(kind, name string) contract.Drift {
	return contract.Drift{Kind: kind, Name: name, Wanted: exists}
}

// Surplus is that a child is there which is not wanted.
func Surplus(kind, name string) contract.Drift {
	return contract.Drift{Kind: kind, Name: name, Found: exists}
}

// Refused is that it could not be found out what differs of a child. What passes by itself is an error still.
func Refused(kind, name string, err error) ([]contract.Drift, error) {
	if cause, _ := CauseOf(err); cause == quarantine.Passing {
		return nil, fmt.Errorf("%s %s: %w", kind, name, err)
	}
	return []contract.Drift{{Kind: kind, Name: name, Field: refusedField, Found: cut(Brief(err.Error()))}}, nil
}

// Compare what was found of a child with what is wanted of it, each as it is written in JSON.
func Compare(kind, name string, found, wanted any) ([]contract.Drift, error) {
	var drift []contract.Drift
	var values [2]any
	for i, value := range []any{found, wanted} {
		content, err := json.Marshal(value)
		if err == nil {
			err = json.Unmarshal(content, &values[i])
		}
		if err != nil {
			return nil, fmt.Errorf("comparing %s %s: %w", kind, name, err)
		}
	}
	differences("", values[0], values[1], func(field string, found, wanted any) {
		drift = append(drift, contract.Drift{Kind: kind, Name: name, Field: cut(field), Found: text(found), Wanted: text(wanted)})
	})
	return drift, nil
}

// Describe a Drift for people.
func Describe(d contract.Drift) string {
	orNothing := func(text string) string {
		if text == "" {
			return "nothing"
		}
		return text
	}
	child := d.Kind + "/" + d.Name
	switch {
	case d.Field == refusedField:
		return fmt.Sprintf("%s could not be compared: %s", child, d.Found)
	case d.Field == "" && d.Found == "":
		return child + " is missing"
	case d.Field == "":
		return child + " is there, and not wanted"
	}
	return fmt.Sprintf("%s %s: %s, wanted %s", child, d.Field, orNothing(d.Found), orNothing(d.Wanted))
}

// driftOf an object from what it would become.
func driftOf(live, becomes *unstructured.Unstructured) []contract.Drift {
	var drift []contract.Drift
	differences("", told(live), told(becomes), func(field string, found, wanted any) {
		entry := contract.Drift{Kind: live.GetKind(), Name: live.GetName(), Field: cut(field), Found: text(found), Wanted: text(wanted)}
		// Also a Secret's annotations, where tools keep copies of what it holds.
		if live.GetKind() == "Secret" && !strings.HasPrefix(field, "metadata.labels") {
			entry.Found, entry.Wanted = hidden(found, "changed"), hidden(wanted, "not shown")
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
func hidden(value any, word string) string {
	if value == nil {
		return ""
	}
	return word
}

// cut to what a field of a Drift may hold.
func cut(text string) string {
	const limit = 240
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + " …"
}
