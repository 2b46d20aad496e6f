package postgrescluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// +kubebuilder:rbac:groups="",resources=pods,verbs=create;patch;delete

// ensureInstances makes the volumes and the pod of every instance that is to run. A pod that exists is left as it
// is: replacing it is the rollout's.
func (r *Reconciler) ensureInstances(ctx context.Context, s *scope) error {
	if len(s.members.run) > 0 && s.image == "" {
		return reconcile.Stalled(v1alpha1.ReasonImageUnknown,
			"spec.version: no image is known for PostgreSQL %s. Add one to spec.postgresImages of the Platform `default`, or set spec.image",
			s.cluster.Spec.Version)
	}
	var failures error
	for _, name := range s.names(s.members.run) {
		failures = errors.Join(failures, r.ensureInstance(ctx, s, name))
	}
	return failures
}

func (r *Reconciler) ensureInstance(ctx context.Context, s *scope, name string) error {
	if err := r.ensureClaims(ctx, s, name); err != nil {
		return err
	}
	if s.observed.pods[name] != nil || s.made[name] {
		return nil
	}
	return r.createPod(ctx, s, name)
}

func (r *Reconciler) createPod(ctx context.Context, s *scope, name string) error {
	err := r.applier().Create(ctx, s.owner, desired.Pod(s.desired, r.podInput(s, name)))
	s.made[name] = err == nil
	if reconcile.LacksRight(err) {
		return fmt.Errorf("creating the pod %s: %w", name, err)
	}
	if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) {
		return reconcile.Stalled(v1alpha1.ReasonInvalidSpec,
			"Kubernetes refuses the pod %s: %v. Change what it names in the spec, or the quota or policy of the namespace", name, err)
	}
	return err
}

// replaceLostPods makes the pods again of instances that ran before, whose volumes are all there: it needs nothing of what phases after it make, so that
// what is wrong with these, or in quarantine, leaves nobody with one instance less.
func (r *Reconciler) replaceLostPods(ctx context.Context, s *scope) error {
	if s.image == "" || s.observed.secrets[naming.Certificates(s.cluster.Name)] == nil {
		return nil // ensureInstances, and ensureCertificates, say what is missing
	}
	var failures error
	for _, name := range s.names(s.members.run) {
		if s.observed.pods[name] == nil && s.ranBefore(name) {
			failures = errors.Join(failures, r.createPod(ctx, s, name))
		}
	}
	return failures
}

// ranBefore tells whether an instance has all its volumes, and its data.
func (s *scope) ranBefore(name string) bool {
	for _, claim := range desired.VolumeClaims(s.desired, name, "") {
		if s.observed.claims[*claim.Name] == nil {
			return false
		}
	}
	return s.observed.claims[naming.DataVolume(name)].Annotations[naming.AnnotationSystem] != ""
}

func (r *Reconciler) podInput(s *scope, name string) desired.PodInput {
	// Where a commit does not wait for all standbys, there is a choice of whom it waits for, and a zone that is lost takes one copy.
	zones := int(s.availability().SynchronousStandbys) < s.instancesWanted()-1
	return desired.PodInput{Instance: name, PostgresImage: s.image, ManagerImage: r.ManagerImage, PreferZones: zones}
}

// ensureClaims makes the claims that are missing. Those that exist are keepVolumes' and growVolumes'.
func (r *Reconciler) ensureClaims(ctx context.Context, s *scope, name string) error {
	for _, claim := range desired.VolumeClaims(s.desired, name, "") {
		if s.observed.claims[*claim.Name] != nil {
			continue
		}
		if err := r.checkStorageClasses(ctx, s); err != nil {
			return err
		}
		s.tellOfLostVolume(name)
		if err := r.applier().Apply(ctx, s.owner, claim); err != nil {
			return err
		}
	}
	return nil
}

// tellOfLostVolume says that the volume of the instance that leads, or led last, is gone. An empty one is made all the same: an
// instance whose volume is empty creates no system without the mark, which ensureLease withholds, and leads nothing; but it
// can say what is missing (DataMissing), and is cloned where another instance comes to lead.
func (s *scope) tellOfLostVolume(name string) {
	if s.observed.record.Holder == name && s.leader() == "" {
		s.note(fmt.Sprintf("the volume of %s, which holds the Lease, is gone: an empty one takes its place, that leads nothing", name), v1alpha1.ReasonDataMissing)
	}
}

// labelPods keeps labels and annotations of running pods. An instance that does not tell what it is has no role.
func (r *Reconciler) labelPods(ctx context.Context, s *scope) error {
	var failures error
	for _, name := range sortedKeys(s.observed.pods) {
		pod := s.observed.pods[name]
		role := ""
		if instance := s.observed.instances[name]; instance.Answers() && instance.Status.Postgres != nil {
			role = "standby"
			if instance.Status.Leader {
				role = "primary"
			}
		}
		metadata := desired.PodMetadata(s.desired, name, role, pod.Annotations[naming.AnnotationPodHash])
		if err := r.applier().Metadata(ctx, pod, metadata); client.IgnoreNotFound(err) != nil {
			failures = errors.Join(failures, fmt.Errorf("labels of pod %s: %w", name, err))
		}
	}
	return failures
}

// podReady tells whether Kubernetes holds the pod for ready.
func podReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp.IsZero()
		}
	}
	return false
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// podHash of the pod as it is wanted now.
func (r *Reconciler) podHash(s *scope, name string) string {
	return desired.PodHash(s.desired, r.podInput(s, name))
}
