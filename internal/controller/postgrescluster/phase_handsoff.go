package postgrescluster

import (
	"bytes"
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

// renewCertificates of a cluster that is left alone, for as long as an operation asks for it: all are issued anew once, and an authority that is due is replaced
// step by step, of which each round takes one at most.
func (r *Reconciler) renewCertificates(ctx context.Context, s *scope) error {
	if s.renewal == nil {
		return nil
	}
	if err := r.ensureCertificates(ctx, s); err != nil {
		return err
	}
	if err := r.publishTrust(ctx, s); err != nil {
		s.renewed = false
		return err
	}
	return nil
}

// publishTrust has clients trust the authorities that there are now. Nothing else in the roles' Secrets is touched, while nobody asks for what the spec says.
func (r *Reconciler) publishTrust(ctx context.Context, s *scope) error {
	authority, err := authorityState(s, naming.ClientCA(s.cluster.Name))
	if err != nil {
		return fmt.Errorf("client authority: %w", err)
	}
	for _, secret := range s.roleSecrets() {
		if s.secretLeftAlone(secret.Name) != "" || bytes.Equal(secret.Data[keyCA], authority.BundlePEM()) {
			continue
		}
		changed := secret.DeepCopy()
		changed.Data[keyCA] = authority.BundlePEM()
		if err := r.Client.Update(ctx, changed); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("%s of Secret %s: %w", keyCA, secret.Name, err)
		}
	}
	return nil
}
