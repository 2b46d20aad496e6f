package reconcile

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/timonier-io/timonier/internal/reconcile/management"
)

// Guard is a client that does not write to objects that an override of the Platform names: whoever writes through it need not ask. Such a write succeeds,
// and does nothing. What is read, and the status of our own kinds, goes through.
type Guard struct {
	client.Client
	// LeftAlone tells by what an object is left alone, "" for not.
	LeftAlone func(ctx context.Context, object management.Resource) (by string, err error)
}

func (g Guard) alone(ctx context.Context, object client.Object) (bool, error) {
	kind, err := apiutil.GVKForObject(object, g.Scheme())
	if err != nil {
		return false, fmt.Errorf("kind of %T: %w", object, err)
	}
	by, err := g.LeftAlone(ctx, management.Resource{Group: kind.Group, Kind: kind.Kind, Namespace: object.GetNamespace(), Name: object.GetName()})
	return by != "", err
}

// Create an object, unless it is left alone.
func (g Guard) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	if alone, err := g.alone(ctx, object); alone || err != nil {
		return err
	}
	return g.Client.Create(ctx, object, options...)
}

// Delete an object, unless it is left alone.
func (g Guard) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	if alone, err := g.alone(ctx, object); alone || err != nil {
		return err
	}
	return g.Client.Delete(ctx, object, options...)
}

// Update an object, unless it is left alone.
func (g Guard) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	if alone, err := g.alone(ctx, object); alone || err != nil {
		return err
	}
	return g.Client.Update(ctx, object, options...)
}

// Patch an object, unless it is left alone.
func (g Guard) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	if alone, err := g.alone(ctx, object); alone || err != nil {
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
	if alone, err := g.alone(ctx, want); alone || err != nil {
		return err
	}
	return g.Client.Apply(ctx, object, options...)
}

// DeleteAllOf is refused: what is left alone could be among them.
func (g Guard) DeleteAllOf(_ context.Context, object client.Object, _ ...client.DeleteAllOfOption) error {
	return fmt.Errorf("deleting all of %T: only single objects are deleted here", object)
}
