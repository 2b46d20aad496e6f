package postgrescluster

import (
	"context"
	"fmt"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch;delete

// ensureBudget keeps a drain from stopping more than one instance, and takes the budget away from a cluster of one
// instance: a drain of its node would never end.
func (r *Reconciler) ensureBudget(ctx context.Context, s *scope) error {
	if wanted := s.instancesWanted(); wanted > 1 {
		return r.applier().Apply(ctx, s.owner, desired.DisruptionBudget(s.desired, wanted))
	}
	budget := &policyv1.PodDisruptionBudget{}
	key := client.ObjectKey{Namespace: s.cluster.Namespace, Name: naming.DisruptionBudget(s.cluster.Name)}
	err := r.Client.Get(ctx, key, budget)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil && metav1.IsControlledBy(budget, s.cluster) {
		err = reconcile.IgnoreLeftAlone(client.IgnoreNotFound(r.Client.Delete(ctx, budget)))
	}
	if err != nil {
		return fmt.Errorf("disruption budget %s: %w", key.Name, err)
	}
	return nil
}
