package wheel

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile/management"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

// Reader of what the Platform says: from the cache mostly, from the API server where what is deleted cannot be brought back.
type Reader struct {
	Client client.Reader
	// Held are children that are left alone although no override names them any more; nil for none.
	Held *Held
}

// Platform as it is; empty where there is none, which means the built-in defaults.
func (r Reader) Platform(ctx context.Context) (platformv1alpha1.PlatformSpec, error) {
	platform := &platformv1alpha1.Platform{}
	err := r.Client.Get(ctx, client.ObjectKey{Name: platformv1alpha1.SingletonName}, platform)
	if err != nil && !apierrors.IsNotFound(err) {
		return platformv1alpha1.PlatformSpec{}, fmt.Errorf("platform: %w", err)
	}
	return platform.Spec, nil
}

// LeftAlone tells by what an object is left alone, "" for not. Our own kinds are not meant: whether they are left alone decides what is done for them, and
// that is told in their status.
func (r Reader) LeftAlone(ctx context.Context, object management.Resource) (string, error) {
	if Ours(object.Group) {
		return "", nil
	}
	platform, err := r.Platform(ctx)
	if err != nil {
		return "", err
	}
	if by := management.LeftAlone(object, platform.Overrides); by != "" {
		return by, nil
	}
	return r.Held.By(object), nil
}

// Ours tells whether a group is one of Timonier's.
func Ours(group string) bool {
	switch group {
	case "postgres.timonier.io", "platform.timonier.io", "fleet.timonier.io":
		return true
	}
	return false
}

// Says what the Platform says of who steers what.
func Says(spec platformv1alpha1.PlatformSpec) management.Platform {
	return management.Platform{State: spec.ManagementState, Overrides: spec.Overrides}
}

// Policy is when something goes into quarantine, by the Platform over a default.
func Policy(spec platformv1alpha1.PlatformSpec, policy quarantine.Policy) quarantine.Policy {
	if spec.MaxRetries != nil {
		policy.MaxRetries = *spec.MaxRetries
	}
	if spec.QuarantineAfterSeconds != nil {
		policy.After = time.Duration(*spec.QuarantineAfterSeconds) * time.Second
	}
	return policy
}
