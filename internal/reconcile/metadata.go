package reconcile

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Metadata makes labels and annotations of an object that Create made be as desired: those that are ours and not wanted any
// more go, those of others stay. Such an object, a pod, cannot be applied again, and an apply of its metadata alone would take
// nothing away, since what it was created with would still be owned by its creation. So it is one owner all the time, and
// one patch that names what goes.
func (a Applier) Metadata(ctx context.Context, current client.Object, desired runtime.ApplyConfiguration) error {
	want, err := asUnstructured(desired)
	if err != nil {
		return err
	}
	hash := setHash(want)
	if current.GetAnnotations()[annotationApplied] == hash &&
		isSubset(want.GetLabels(), current.GetLabels()) && isSubset(want.GetAnnotations(), current.GetAnnotations()) {
		return nil
	}
	// The cache does not keep who owns what.
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(want.GroupVersionKind())
	if err := a.Live.Get(ctx, client.ObjectKeyFromObject(current), live); err != nil {
		return fmt.Errorf("reading %s %s: %w", want.GetKind(), want.GetName(), err)
	}
	labels, annotations := ownedMetadata(live.GetManagedFields(), a.FieldOwner)
	content, err := json.Marshal(map[string]any{"metadata": map[string]any{
		// One of the same name that was made since is not meant.
		"uid":         current.GetUID(),
		"labels":      changes(want.GetLabels(), labels),
		"annotations": changes(want.GetAnnotations(), annotations),
	}})
	if err != nil {
		return fmt.Errorf("writing %s %s: %w", want.GetKind(), want.GetName(), err)
	}
	target := &unstructured.Unstructured{}
	target.SetGroupVersionKind(want.GroupVersionKind())
	target.SetNamespace(want.GetNamespace())
	target.SetName(want.GetName())
	err = a.Client.Patch(ctx, target, client.RawPatch(types.MergePatchType, content), client.FieldOwner(a.FieldOwner))
	if err := a.unlessLeftAlone(err); err != nil {
		return fmt.Errorf("%s %s: %w", want.GetKind(), want.GetName(), err)
	}
	return nil
}

// changes of a merge patch that lead to what is wanted: null removes.
func changes(want map[string]string, owned []string) map[string]any {
	all := map[string]any{}
	for _, key := range owned {
		all[key] = nil
	}
	for key, value := range want {
		all[key] = value
	}
	return all
}

// ownedMetadata are the keys of the labels and annotations that this owner wrote.
func ownedMetadata(entries []metav1.ManagedFieldsEntry, owner string) (labels, annotations []string) {
	for _, entry := range entries {
		if entry.Manager != owner || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		var fields struct {
			Metadata struct {
				Labels      map[string]any `json:"f:labels"`
				Annotations map[string]any `json:"f:annotations"`
			} `json:"f:metadata"`
		}
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			// Not a form that is known: nothing is taken for ours.
			continue
		}
		labels, annotations = append(labels, keysOf(fields.Metadata.Labels)...), append(annotations, keysOf(fields.Metadata.Annotations)...)
	}
	return labels, annotations
}

// keysOf fields, which are written as "f:" and the key; "." is the map itself.
func keysOf(fields map[string]any) []string {
	var keys []string
	for field := range fields {
		if len(field) > 2 && field[:2] == "f:" {
			keys = append(keys, field[2:])
		}
	}
	return keys
}

func isSubset(want, have map[string]string) bool {
	for key, value := range want {
		if have[key] != value {
			return false
		}
	}
	return true
}
