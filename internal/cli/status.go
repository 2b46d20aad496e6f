package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// Overview is what `status` shows of a cluster.
type Overview struct {
	Cluster v1alpha1.PostgresCluster
	// Operations of the cluster, the latest first.
	Operations []v1alpha1.PostgresOperation
	Now        time.Time
}

// look at a cluster and its operations.
func (s *shell) look(ctx context.Context, name string) (*Overview, error) {
	c, namespace, err := s.place.connect()
	if err != nil {
		return nil, err
	}
	found := &Overview{Now: s.now()}
	err = c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &found.Cluster)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("there is no PostgresCluster %s in the namespace %s; -n names another one", name, namespace)
	}
	if err != nil {
		return nil, fmt.Errorf("looking at the cluster: %w", err)
	}
	var all v1alpha1.PostgresOperationList
	if err := c.List(ctx, &all, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("looking at its operations: %w", err)
	}
	found.Operations = slices.DeleteFunc(all.Items, func(o v1alpha1.PostgresOperation) bool { return o.Spec.ClusterRef.Name != name })
	slices.SortFunc(found.Operations, func(a, b v1alpha1.PostgresOperation) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return found, nil
}
