package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// annotationApplied holds the hash of what was last applied, so that a field that is no longer wanted is noticed.
const annotationApplied = "timonier.io/applied"

// Reasons that the applier gives.
const (
	reasonNameTaken = "NameTaken"
	reasonLeftover  = "Deleting"
)

// Applier writes desired objects by server-side apply, as one field owner, and only when something differs.
// It never adopts an object that is not the owner's: that is Stalled with the reason NameTaken.
type Applier struct {
	// Client reads from the cache, and writes.
	Client client.Client
	// Live reads from the API server: an object that the cache does not know may be somebody else's.
	Live client.Reader
	// FieldOwner names the controller.
	FieldOwner string
	// Strict applies where the caller must know that an object was left alone, and returns the LeftAloneError. Else that counts as done.
	Strict bool
	// Memory of objects that were found to be as desired; nil for none.
	Memory *Memory
}

// unlessLeftAlone is the error of a write that counts.
func (a Applier) unlessLeftAlone(err error) error {
	if a.Strict {
		return err
	}
	return IgnoreLeftAlone(err)
}

// Owner is whose children are applied.
type Owner struct {
	Kind string
	Name string
	UID  types.UID
	// Survivors is the kind of children that have no owner reference, since they are to survive. Of this kind alone
	// a Label of that Value makes an object the owner's; of all others somebody may have copied the labels.
	Survivors, Label, Value string
}

// Apply makes the object be as desired.
func (a Applier) Apply(ctx context.Context, owner Owner, desired runtime.ApplyConfiguration) error {
	content, err := json.Marshal(desired)
	if err != nil {
		return fmt.Errorf("writing %T: %w", desired, err)
	}
	kind, key, err := identify(desired)
	if err != nil {
		return err
	}
	found, err := a.find(ctx, kind, key)
	if err != nil {
		return err
	}
	matter, digest := matterOf(found, kind.Kind, content)
	if found != nil && a.Memory.Right(owner.UID, matter, digest) {
		return nil
	}
	want, err := readBack(content)
	if err != nil {
		return err
	}
	current, err := asCurrent(found, kind)
	if err != nil {
		return err
	}
	hash := setHash(want)
	if current != nil {
		if err := owner.owns(current); err != nil {
			return err
		}
		if current.GetAnnotations()[annotationApplied] == hash && contains(want.Object, current.Object) {
			a.Memory.Found(owner.UID, matter, digest)
			return nil
		}
	}
	options := []client.ApplyOption{client.FieldOwner(a.FieldOwner)}
	if current != nil {
		// Ours by the check above: what somebody else wrote into it gives way. A new object is not forced,
		// so that one made by somebody else in between is not taken.
		options = append(options, client.ForceOwnership)
	}
	answer := want.DeepCopy()
	err = a.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(answer), options...)
	if current != nil && (apierrors.IsInvalid(err) || (err == nil && !contains(want.Object, answer.Object))) {
		return a.replace(ctx, want)
	}
	if err := a.unlessLeftAlone(err); err != nil {
		return fmt.Errorf("%s %s: %w", want.GetKind(), want.GetName(), err)
	}
	return nil
}

// replace puts our lists in place of those that somebody else added to. Server-side apply would keep both: a port of a
// Service that was changed is another port to it.
func (a Applier) replace(ctx context.Context, want *unstructured.Unstructured) error {
	content, err := want.MarshalJSON()
	if err != nil {
		return fmt.Errorf("writing %s %s: %w", want.GetKind(), want.GetName(), err)
	}
	target := want.DeepCopy()
	err = a.Client.Patch(ctx, target, client.RawPatch(types.MergePatchType, content), client.FieldOwner(a.FieldOwner))
	if err := a.unlessLeftAlone(err); err != nil {
		return fmt.Errorf("%s %s: %w", want.GetKind(), want.GetName(), err)
	}
	return nil
}

// Create makes the object if it does not exist, and leaves one that does as it is.
func (a Applier) Create(ctx context.Context, owner Owner, desired runtime.ApplyConfiguration) error {
	want, err := asUnstructured(desired)
	if err != nil {
		return err
	}
	err = a.Client.Create(ctx, want, client.FieldOwner(a.FieldOwner))
	if !apierrors.IsAlreadyExists(err) {
		if err := a.unlessLeftAlone(err); err != nil {
			return fmt.Errorf("%s %s: %w", want.GetKind(), want.GetName(), err)
		}
		return nil
	}
	found, err := a.find(ctx, want.GroupVersionKind(), client.ObjectKeyFromObject(want))
	if err != nil || found == nil {
		return err
	}
	current, err := asCurrent(found, want.GroupVersionKind())
	if err != nil {
		return err
	}
	return owner.owns(current)
}

// Try asks the API server whether it would take the object, under a name of its own, and makes nothing. What it would have
// made, with its defaults, is written to into; where it refuses, what was asked for.
func (a Applier) Try(ctx context.Context, desired runtime.ApplyConfiguration, into client.Object) error {
	want, err := asUnstructured(desired)
	if err != nil {
		return err
	}
	want.SetGenerateName(want.GetName() + "-try-")
	want.SetName("")
	refused := a.Client.Create(ctx, want, client.DryRunAll, client.FieldOwner(a.FieldOwner))
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(want.Object, into); err != nil {
		return fmt.Errorf("reading %s %s: %w", want.GetKind(), want.GetGenerateName(), err)
	}
	return refused
}

// find the object as the cache knows it, else as the API server does; nil where there is none.
func (a Applier) find(ctx context.Context, kind schema.GroupVersionKind, key client.ObjectKey) (client.Object, error) {
	made, err := a.Client.Scheme().New(kind)
	if err != nil {
		return nil, fmt.Errorf("kind %s: %w", kind.Kind, err)
	}
	object, ok := made.(client.Object)
	if !ok {
		return nil, fmt.Errorf("kind %s is not an object", kind.Kind)
	}
	err = a.Client.Get(ctx, key, object)
	if apierrors.IsNotFound(err) {
		err = a.Live.Get(ctx, key, object)
	}
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", kind.Kind, key.Name, err)
	}
	return object, nil
}

// asCurrent is the object that was found, nil for none.
func asCurrent(found client.Object, kind schema.GroupVersionKind) (*unstructured.Unstructured, error) {
	if found == nil {
		return nil, nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(found)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", kind.Kind, found.GetName(), err)
	}
	current := &unstructured.Unstructured{Object: content}
	current.SetGroupVersionKind(kind)
	return current, nil
}

// matterOf judging an object by what is desired: of the same resourceVersion it is the same.
func matterOf(found client.Object, kind string, desired []byte) (Matter, Digest) {
	if found == nil {
		return Matter{}, Digest{}
	}
	return Matter{kind, found.GetName()}, DigestOf([]byte(found.GetUID()), []byte(found.GetResourceVersion()), desired)
}

// identify what is desired, as all generated configurations tell it.
func identify(desired runtime.ApplyConfiguration) (kind schema.GroupVersionKind, key client.ObjectKey, err error) {
	named, ok := desired.(interface {
		GetAPIVersion() *string
		GetKind() *string
		GetNamespace() *string
		GetName() *string
	})
	if !ok || named.GetKind() == nil || named.GetAPIVersion() == nil || named.GetName() == nil {
		return kind, key, fmt.Errorf("%T tells no kind or no name", desired)
	}
	key.Name = *named.GetName()
	if namespace := named.GetNamespace(); namespace != nil {
		key.Namespace = *namespace
	}
	return schema.FromAPIVersionAndKind(*named.GetAPIVersion(), *named.GetKind()), key, nil
}

// owns tells whether the object is the owner's; the error says what to do where it is not.
func (o Owner) owns(object *unstructured.Unstructured) error {
	controller := metav1.GetControllerOf(object)
	switch {
	case controller != nil && controller.UID == o.UID:
		return nil
	case controller == nil && object.GetKind() == o.Survivors && object.GetLabels()[o.Label] == o.Value:
		return nil
	case controller != nil && controller.Kind == o.Kind && controller.Name == o.Name:
		// Its owner was deleted and made again; the garbage collector has not come to it yet. Its going is
		// an event for what we watch, but not for all kinds.
		return Wait(time.Second, reasonLeftover, "%s %s of the deleted %s of the same name is still going away",
			object.GetKind(), object.GetName(), o.Kind)
	default:
		return Stalled(reasonNameTaken, "%s %s/%s exists and was not made by Timonier for this cluster: it is left alone. Rename or delete it, or choose another name for the cluster",
			object.GetKind(), object.GetNamespace(), object.GetName())
	}
}

func asUnstructured(desired runtime.ApplyConfiguration) (*unstructured.Unstructured, error) {
	content, err := json.Marshal(desired)
	if err != nil {
		return nil, fmt.Errorf("writing %T: %w", desired, err)
	}
	return readBack(content)
}

func readBack(content []byte) (*unstructured.Unstructured, error) {
	want := &unstructured.Unstructured{}
	if err := want.UnmarshalJSON(content); err != nil {
		return nil, fmt.Errorf("reading back what is desired: %w", err)
	}
	return want, nil
}

// setHash puts the hash of what is wanted into its annotations.
func setHash(want *unstructured.Unstructured) string {
	content, err := want.MarshalJSON()
	if err != nil {
		// It was read from JSON just before.
		panic(err)
	}
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:8])
	annotations := want.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[annotationApplied] = hash
	want.SetAnnotations(annotations)
	return hash
}
