package postgrescluster

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// removeRoleLabels takes the roles off pods of a cluster that is left alone: nobody would keep them true.
func (r *Reconciler) removeRoleLabels(ctx context.Context, s *scope) error {
	var failures error
	for _, name := range sortedKeys(s.observed.pods) {
		pod := s.observed.pods[name]
		if pod.Labels[naming.LabelRole] == "" {
			continue
		}
		patch := fmt.Appendf(nil, `{"metadata":{"uid":%q,"labels":{%q:null}}}`, pod.UID, naming.LabelRole)
		err := r.Client.Patch(ctx, pod.DeepCopy(), client.RawPatch(types.MergePatchType, patch), client.FieldOwner(fieldOwner))
		if err := reconcile.IgnoreLeftAlone(client.IgnoreNotFound(err)); err != nil {
			failures = errors.Join(failures, fmt.Errorf("role label of pod %s: %w", name, err))
		}
	}
	return failures
}

// renewCertificates of a cluster that is left alone, once for each operation that asks for it.
func (r *Reconciler) renewCertificates(ctx context.Context, s *scope) error {
	if s.renewal == nil {
		return nil
	}
	return r.ensureCertificates(ctx, s)
}
