package postgrescluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/naming"
)

// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=create;patch

// ensureLease makes the Lease where there is none: with the mark that lets the first instance create a system only
// where it is proven that none was ever created, else empty. Its content is the leader's from then on.
func (r *Reconciler) ensureLease(ctx context.Context, s *scope) error {
	if s.observed.lease != nil {
		if err := r.applier().Apply(ctx, s.owner, desired.Lease(s.desired, nil)); err != nil {
			return err
		}
		return r.markAgain(ctx, s)
	}
	marks := map[string]string{}
	proven, err := r.nothingWasEverCreated(ctx, s)
	if err != nil {
		return err
	}
	if proven {
		if marks, err = r.bootstrapMarks(s); err != nil {
			return err
		}
	}
	if err := r.applier().Create(ctx, s.owner, desired.Lease(s.desired, marks)); err != nil {
		return err
	}
	// What the phases after this one see must be what was written.
	return r.observeLease(ctx, s)
}

// nothingWasEverCreated reads from the API server, not from the cache: no system identifier was recorded, and no
// volume of this cluster exists.
func (r *Reconciler) nothingWasEverCreated(ctx context.Context, s *scope) (bool, error) {
	live := &v1alpha1.PostgresCluster{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(s.cluster), live); err != nil {
		return false, fmt.Errorf("reading the cluster's recorded system identifier: %w", err)
	}
	var claims corev1.PersistentVolumeClaimList
	if err := r.Live.List(ctx, &claims, s.ours()...); err != nil {
		return false, fmt.Errorf("reading which volumes exist: %w", err)
	}
	return live.UID == s.cluster.UID && live.Status.SystemIdentifier == "" && len(claims.Items) == 0, nil
}

// markAgain sets the mark on a Lease that was lost before initdb: once every volume reports that it was never
// initialised, and no identifier was recorded.
func (r *Reconciler) markAgain(ctx context.Context, s *scope) error {
	if !mayMarkAgain(s) {
		return nil
	}
	marks, err := r.bootstrapMarks(s)
	if err != nil {
		return err
	}
	// Under the resourceVersion that the decision was made from: whoever wrote in between wins.
	lease := s.observed.lease.DeepCopy()
	for key, value := range marks {
		if lease.Annotations == nil {
			lease.Annotations = map[string]string{}
		}
		lease.Annotations[key] = value
	}
	if err := r.Client.Update(ctx, lease, client.FieldOwner(fieldOwner)); err != nil {
		return fmt.Errorf("setting the bootstrap mark again: %w", err)
	}
	s.note("the Lease was lost before a system was created, and no volume was ever initialised: the first instance may create it now", v1alpha1.ReasonCreating)
	return r.observeLease(ctx, s)
}

func mayMarkAgain(s *scope) bool {
	record := s.observed.record
	if record.System != "" || record.Holder != "" || record.Term != 0 || s.cluster.Status.SystemIdentifier != "" || len(s.observed.claims) == 0 {
		return false
	}
	for _, claim := range s.observed.claims {
		instance, known := s.observed.instances[claim.Labels[naming.LabelInstance]]
		if !known || !instance.answers() || instance.status.Volume.Initialised || instance.status.Volume.EverInitialised {
			return false
		}
	}
	return true
}

func (r *Reconciler) bootstrapMarks(s *scope) (map[string]string, error) {
	mark := election.Record{System: election.Bootstrap(naming.Instance(s.cluster.Name, 1))}
	fields, err := election.Encode(mark, election.Fields{})
	if err != nil {
		return nil, fmt.Errorf("writing the bootstrap mark: %w", err)
	}
	return fields.Annotations, nil
}
