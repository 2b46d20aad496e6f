package postgresoperation

import (
	"context"
	"fmt"
	"slices"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// keptForEach cluster, of operations that have ended.
const keptForEach = 20

// tidy up after an operation that has ended: it goes when its time is over, and the oldest go where there are too many.
func (r *Reconciler) tidy(ctx context.Context, operation *v1alpha1.PostgresOperation) (ctrl.Result, error) {
	var all v1alpha1.PostgresOperationList
	if err := r.Client.List(ctx, &all, client.InNamespace(operation.Namespace)); err != nil {
		return ctrl.Result{}, fmt.Errorf("operations: %w", err)
	}
	for _, old := range surplus(all.Items, operation.Spec.ClusterRef.Name) {
		if err := r.Client.Delete(ctx, &old, client.Preconditions{UID: &old.UID}); client.IgnoreNotFound(err) != nil {
			return ctrl.Result{}, fmt.Errorf("deleting the old operation %s: %w", old.Name, err)
		}
	}
	if operation.Spec.TTLSecondsAfterFinished == nil {
		return ctrl.Result{}, nil
	}
	left := operation.Status.FinishedAt.Add(time.Duration(*operation.Spec.TTLSecondsAfterFinished) * time.Second).Sub(r.Now())
	if left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	if err := r.Client.Delete(ctx, operation, client.Preconditions{UID: &operation.UID}); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("deleting the operation, whose time is over: %w", err)
	}
	return ctrl.Result{}, nil
}

// surplus are the oldest of a cluster's operations that have ended, beyond what is kept.
func surplus(all []v1alpha1.PostgresOperation, cluster string) []v1alpha1.PostgresOperation {
	ended := slices.DeleteFunc(slices.Clone(all), func(o v1alpha1.PostgresOperation) bool {
		return o.Spec.ClusterRef.Name != cluster || o.Status.FinishedAt == nil || !o.DeletionTimestamp.IsZero()
	})
	slices.SortFunc(ended, func(a, b v1alpha1.PostgresOperation) int {
		if byTime := b.Status.FinishedAt.Compare(a.Status.FinishedAt.Time); byTime != 0 {
			return byTime
		}
		if before(&a, &b) {
			return 1
		}
		return -1
	})
	if len(ended) <= keptForEach {
		return nil
	}
	return ended[keptForEach:]
}
