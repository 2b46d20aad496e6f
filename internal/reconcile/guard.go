package reconcile

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/timonier-io/timonier/internal/reconcile/management"
)

// ReasonHandsOff stands for what is not made, mended or taken away, since somebody wants it left alone.
const ReasonHandsOff = "HandsOff"

// LeftAloneError says that an object was not written, since it is left alone. Whoever must know that it was not finds it by errors.As; to the kit it is
// a StalledError like any other, and never a failure: nobody but a person changes it.
type LeftAloneError struct {
	// Kind and Name of the object, and By what it is left alone.
	Kind, Name, By string
}

func (e *LeftAloneError) Error() string {
	return fmt.Sprintf("%s %s is left alone, by %s, and was not written", e.Kind, e.Name, e.By)
}

// Unwrap is what it means where nobody knows more of the object.
func (e *LeftAloneError) Unwrap() error {
	return Stalled(ReasonHandsOff, "%s: write it by hand, or remove the override", e.Error())
}

// IgnoreLeftAlone is nil where an object was left alone, for those to whom that is as good as done.
func IgnoreLeftAlone(err error) error {
	if left := new(LeftAloneError); errors.As(err, &left) {
		return nil
	}
	return err
}

// Guard is a client that does not write to objects that an override of the Platform names: whoever writes through it need not ask. Such a write does nothing,
// and returns a LeftAloneError. What is read, and the status of our own kinds, goes through.
type Guard struct {
	client.Client
	// LeftAlone tells by what an object is left alone, "" for not.
	LeftAlone func(ctx context.Context, object management.Resource) (by string, err error)
}

// pass is nil where an object may be written.
func (g Guard) pass(ctx context.Context, object client.Object) error {
	kind, err := apiutil.GVKForObject(object, g.Scheme())
	if err != nil {
		return fmt.Errorf("kind of %T: %w", object, err)
	}
	by, err := g.LeftAlone(ctx, management.Resource{Group: kind.Group, Kind: kind.Kind, Namespace: object.GetNamespace(), Name: object.GetName()})
	if err == nil && by != "" {
		return &LeftAloneError{Kind: kind.Kind, Name: object.GetName(), By: by}
	}
	return err
}

// Create an object, unless it is left alone.
func (g Guard) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	if err := g.pass(ctx, object); err != nil {
		return err
	}
	return g.Client.Create(ctx, object, options...)
}

// Delete an object, unless it is left alone.
func (g Guard) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	if err := g.pass(ctx, object); err != nil {
		return err
	}
	return g.Client.Delete(ctx, object, options...)
}

// Update an object, unless it is left alone.
func (g Guard) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	if err := g.pass(ctx, object); err != nil {
		return err
	}
	return g.Client.Update(ctx, object, options...)
}

// Patch an object, unless it is left alone.
func (g Guard) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	if err := g.pass(ctx, object); err != nil {
		return err
	}
	return g.Client.Patch(ctx, object, patch, options...)
}

// Apply an object, unless it is left alone.
func (g Guard) Apply(ctx context.Context, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
	want, err := asUnstructured(object)
	if err != nil {
		return err
	}
	if err := g.pass(ctx, want); err != nil {
		return err
	}
	return g.Client.Apply(ctx, object, options...)
}

// DeleteAllOf is refused: what is left alone could be among them.
func (g Guard) DeleteAllOf(_ context.Context, object client.Object, _ ...client.DeleteAllOfOption) error {
	return fmt.Errorf("deleting all of %T: only single objects are deleted here", object)
}
