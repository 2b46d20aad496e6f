package postgrescluster

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=create;patch;delete
// +kubebuilder:rbac:groups=storage.k8s.io,resources=storageclasses,verbs=get

// growVolumes asks for what the spec asks for, on every volume that exists. Volumes never shrink: one that was
// retained and is larger keeps its size.
func (r *Reconciler) growVolumes(ctx context.Context, s *scope) error {
	var failures error
	var left untouched
	growing := ""
	for _, name := range sortedKeys(s.observed.claims) {
		claim := s.observed.claims[name]
		size := s.wantedSize(claim)
		if size == nil {
			continue
		}
		asked := claim.Spec.Resources.Requests[corev1.ResourceStorage]
		if by := s.alone(kindVolume, name); by != "" && size.Cmp(asked) > 0 {
			left.leave(fmt.Sprintf("volume %s does not grow from %s to %s", name, asked.String(), size.String()), by)
			continue
		}
		if size.Cmp(asked) > 0 {
			if err := r.growVolume(ctx, s, claim, *size); err != nil {
				failures = errors.Join(failures, err)
				continue
			}
			asked = *size
		}
		has, bound := claim.Status.Capacity[corev1.ResourceStorage]
		if bound && claim.Status.Phase == corev1.ClaimBound && has.Cmp(asked) < 0 {
			growing = fmt.Sprintf("volume %s grows from %s to %s", claim.Name, has.String(), asked.String())
		}
	}
	if failures == nil && len(left) > 0 {
		return left.stalls()
	}
	if failures == nil && growing != "" {
		// The claim's status is an event.
		return reconcile.Wait(0, v1alpha1.ReasonGrowing, "%s", growing)
	}
	return failures
}

// wantedSize of a claim by the spec; nil for one that the spec says nothing of.
func (s *scope) wantedSize(claim *corev1.PersistentVolumeClaim) *resource.Quantity {
	switch {
	case claim.Labels[naming.LabelVolume] == desired.VolumeData:
		return &s.cluster.Spec.Storage.Size
	case claim.Labels[naming.LabelVolume] == desired.VolumeWAL && s.cluster.Spec.Storage.WAL != nil:
		return &s.cluster.Spec.Storage.WAL.Size
	default:
		return nil
	}
}

func (r *Reconciler) growVolume(ctx context.Context, s *scope, claim *corev1.PersistentVolumeClaim, size resource.Quantity) error {
	before := claim.Spec.Resources.Requests[corev1.ResourceStorage]
	if claim.Spec.StorageClassName != nil {
		class, err := r.storageClass(ctx, *claim.Spec.StorageClassName)
		if err != nil {
			return err
		}
		if class != nil && (class.AllowVolumeExpansion == nil || !*class.AllowVolumeExpansion) {
			return reconcile.Stalled(v1alpha1.ReasonStorageClass,
				"spec.storage: volume %s cannot grow from %s to %s, since its storage class %s does not allow it. Set allowVolumeExpansion in the class where its driver can, or restore the former size",
				claim.Name, before.String(), size.String(), class.Name)
		}
	}
	patched := claim.DeepCopy()
	patched.Spec.Resources.Requests[corev1.ResourceStorage] = size
	if err := r.Client.Patch(ctx, patched, client.MergeFrom(claim), client.FieldOwner(fieldOwner)); err != nil {
		return fmt.Errorf("growing volume %s: %w", claim.Name, err)
	}
	// What keepVolumes puts into its apply must not be the former size: the cache may know the new one by then.
	s.observed.claims[claim.Name] = patched
	s.note(fmt.Sprintf("volume %s is to grow from %s to %s", claim.Name, before.String(), size.String()), v1alpha1.ReasonGrowing)
	return nil
}

// keepVolumes keeps labels and annotations of every volume that exists, whether or not its instance runs: among them
// the identifier of the system whose data it holds, by which it is known after everything else is gone.
func (r *Reconciler) keepVolumes(ctx context.Context, s *scope) error {
	return r.applyAll(ctx, s, existingVolumes(s)...)
}

// existingVolumes as they are wanted.
func existingVolumes(s *scope) []runtime.ApplyConfiguration {
	var claims []runtime.ApplyConfiguration
	for _, name := range sortedKeys(s.observed.claims) {
		existing := s.observed.claims[name]
		for _, claim := range desired.VolumeClaims(s.desired, existing.Labels[naming.LabelInstance], s.systemOn(existing)) {
			if *claim.Name == name {
				claim.Spec = specOf(existing, claim.Spec)
				claims = append(claims, claim)
			}
		}
	}
	return claims
}

// systemOn a volume: as it remembers itself, else the cluster's once an instance has said that it is there.
func (s *scope) systemOn(claim *corev1.PersistentVolumeClaim) string {
	if known := claim.Annotations[naming.AnnotationSystem]; known != "" {
		return known
	}
	found := s.observed.instances[claim.Labels[naming.LabelInstance]]
	if found.Answers() && found.Status.Volume.Initialised {
		return found.Status.Volume.SystemIdentifier
	}
	return ""
}

// specOf an existing claim, as far as it is ours: it is immutable but for the size, which may already be larger, and a
// volume that was retained may have been made with another class.
func specOf(existing *corev1.PersistentVolumeClaim, wanted *corev1ac.PersistentVolumeClaimSpecApplyConfiguration) *corev1ac.PersistentVolumeClaimSpecApplyConfiguration {
	spec := corev1ac.PersistentVolumeClaimSpec().WithAccessModes(existing.Spec.AccessModes...).
		WithResources(corev1ac.VolumeResourceRequirements().WithRequests(existing.Spec.Resources.Requests))
	if wanted.StorageClassName != nil && existing.Spec.StorageClassName != nil {
		spec.WithStorageClassName(*existing.Spec.StorageClassName)
	}
	return spec
}

// storageClass by its name; nil where it does not exist.
func (r *Reconciler) storageClass(ctx context.Context, name string) (*storagev1.StorageClass, error) {
	class := &storagev1.StorageClass{}
	err := r.Live.Get(ctx, client.ObjectKey{Name: name}, class)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("storage class %s: %w", name, err)
	}
	return class, nil
}

// checkStorageClasses before volumes are made with them: a claim for a class that does not exist would wait
// without a word, and its class could not be changed any more.
func (r *Reconciler) checkStorageClasses(ctx context.Context, s *scope) error {
	for field, volume := range map[string]*v1alpha1.Volume{
		"spec.storage.storageClassName":     &s.cluster.Spec.Storage.Volume,
		"spec.storage.wal.storageClassName": s.cluster.Spec.Storage.WAL,
	} {
		if volume == nil || volume.StorageClassName == nil {
			continue
		}
		class, err := r.storageClass(ctx, *volume.StorageClassName)
		if err != nil {
			return err
		}
		if class == nil {
			return reconcile.Stalled(v1alpha1.ReasonStorageClass,
				"%s: there is no storage class %q, so that no volume is made. Create it, or delete this cluster and make it again with one of `kubectl get storageclass`",
				field, *volume.StorageClassName)
		}
	}
	return nil
}
