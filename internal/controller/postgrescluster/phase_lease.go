package postgrescluster

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
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
		if err := r.withdrawMark(ctx, s); err != nil {
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
	// Where the Lease is left alone and missing nobody can be elected: that is told, rather than taken for done.
	if err := r.strictApplier().Create(ctx, s.owner, desired.Lease(s.desired, marks)); err != nil {
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
	traces, err := r.claimsLive(ctx, s)
	if err != nil {
		return false, err
	}
	return live.UID == s.cluster.UID && live.Status.SystemIdentifier == "" && len(traces) == 0, nil
}

// claimsLive are all claims in the namespace that carry the cluster's label or the name of one of its volumes, whoever
// made them: a claim that was made by hand for a kept volume is a trace of the system too.
func (r *Reconciler) claimsLive(ctx context.Context, s *scope) ([]corev1.PersistentVolumeClaim, error) {
	var all corev1.PersistentVolumeClaimList
	if err := r.Live.List(ctx, &all, client.InNamespace(s.cluster.Namespace)); err != nil {
		return nil, fmt.Errorf("reading which volumes exist: %w", err)
	}
	var traces []corev1.PersistentVolumeClaim
	for i := range all.Items {
		claim := &all.Items[i]
		_, named := naming.Ordinal(s.cluster.Name, strings.TrimSuffix(claim.Name, "-wal"))
		if named || claim.Labels[naming.LabelCluster] == s.cluster.Name {
			traces = append(traces, *claim)
		}
	}
	return traces, nil
}

// markAgain sets the mark on a Lease that was lost before initdb: once every volume reports that it was never
// initialised, and no identifier was recorded.
func (r *Reconciler) markAgain(ctx context.Context, s *scope) error {
	if s.observed.record.System != "" || s.observed.record.Holder != "" || s.observed.record.Term != 0 || len(s.observed.claims) == 0 {
		return nil
	}
	live := &v1alpha1.PostgresCluster{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(s.cluster), live); err != nil {
		return fmt.Errorf("reading the cluster's recorded system identifier: %w", err)
	}
	claims, err := r.claimsLive(ctx, s)
	if err != nil || live.Status.SystemIdentifier != "" || !neverInitialised(claims, s.observed.instances) {
		return err
	}
	mark := election.Record{System: election.Bootstrap(naming.Instance(s.cluster.Name, 1))}
	if err := r.writeMark(ctx, s, mark); err != nil {
		return fmt.Errorf("setting the bootstrap mark again: %w", err)
	}
	s.note("the Lease was lost before a system was created, and no volume was ever initialised: the first instance may create it now", v1alpha1.ReasonCreating)
	return r.observeLease(ctx, s)
}

// neverInitialised tells whether the instance of every claim says, having looked at its volumes, that no data was ever on
// them, and no claim remembers a system.
func neverInitialised(claims []corev1.PersistentVolumeClaim, instances map[string]contact.Instance) bool {
	for i := range claims {
		found := instances[claims[i].Labels[naming.LabelInstance]]
		report := found.Status.Volume
		if !found.Answers() || !report.Inspected || report.Initialised || report.EverInitialised || report.Incarnation != "" || claims[i].Annotations[naming.AnnotationSystem] != "" {
			return false
		}
	}
	return len(claims) > 0
}

// withdrawMark takes the mark away where there is any sign of data: a Lease from an earlier time, restored with etcd, must
// not let a second system be created beside the first.
func (r *Reconciler) withdrawMark(ctx context.Context, s *scope) error {
	if _, marked := s.observed.record.Bootstraps(); !marked || !s.anySignOfData() {
		return nil
	}
	if err := r.writeMark(ctx, s, election.Record{}); err != nil {
		return fmt.Errorf("withdrawing the bootstrap mark: %w", err)
	}
	s.note("the Lease would have let an instance create a system although there is data: the mark is withdrawn", v1alpha1.ReasonRecovering)
	return r.observeLease(ctx, s)
}

func (s *scope) anySignOfData() bool {
	if s.cluster.Status.SystemIdentifier != "" {
		return true
	}
	for _, claim := range s.observed.claims {
		if claim.Annotations[naming.AnnotationSystem] != "" {
			return true
		}
	}
	for _, instance := range s.observed.instances {
		if instance.Answers() && instance.Status.Volume.EverInitialised {
			return true
		}
	}
	return false
}

// writeMark replaces the Lease's content under the resourceVersion that the decision was made from: whoever wrote in
// between wins.
func (r *Reconciler) writeMark(ctx context.Context, s *scope, record election.Record) error {
	lease := s.observed.lease.DeepCopy()
	fields, err := election.Encode(record, election.Fields{Annotations: lease.Annotations})
	if err != nil {
		return err
	}
	lease.Annotations = fields.Annotations
	return r.Client.Update(ctx, lease, client.FieldOwner(fieldOwner))
}

func (r *Reconciler) bootstrapMarks(s *scope) (map[string]string, error) {
	mark := election.Record{System: election.Bootstrap(naming.Instance(s.cluster.Name, 1))}
	fields, err := election.Encode(mark, election.Fields{})
	if err != nil {
		return nil, fmt.Errorf("writing the bootstrap mark: %w", err)
	}
	return fields.Annotations, nil
}
