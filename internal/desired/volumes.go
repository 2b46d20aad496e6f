package desired

import (
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// Values of naming.LabelVolume.
const (
	VolumeData = "data"
	VolumeWAL  = "wal"
)

// VolumeClaims of an instance: its data, and its WAL where the spec asks for a volume of its own.
// system is the identifier of the PostgreSQL system whose data they hold, "" before there is one.
func VolumeClaims(c Cluster, instance, system string) []*corev1ac.PersistentVolumeClaimApplyConfiguration {
	claims := []*corev1ac.PersistentVolumeClaimApplyConfiguration{
		c.volumeClaim(naming.DataVolume(instance), instance, system, VolumeData, c.Spec.Storage.Volume),
	}
	if c.Spec.Storage.WAL != nil {
		claims = append(claims, c.volumeClaim(naming.WALVolume(instance), instance, system, VolumeWAL, *c.Spec.Storage.WAL))
	}
	return claims
}

// volumeClaim never has an owner: Kubernetes' garbage collector deletes what is owned, and a volume must not depend on
// anybody noticing in time that it is to be kept. Where volumes are to go with the cluster, the controller deletes them.
func (c Cluster) volumeClaim(name, instance, system, kind string, volume v1alpha1.Volume) *corev1ac.PersistentVolumeClaimApplyConfiguration {
	spec := corev1ac.PersistentVolumeClaimSpec().
		WithAccessModes(corev1.ReadWriteOnce).
		WithResources(corev1ac.VolumeResourceRequirements().
			WithRequests(corev1.ResourceList{corev1.ResourceStorage: volume.Size}))
	if volume.StorageClassName != nil {
		spec.WithStorageClassName(*volume.StorageClassName)
	}
	annotations := map[string]string{naming.AnnotationOwnerUID: string(c.UID)}
	if system != "" {
		annotations[naming.AnnotationSystem] = system
	}
	return corev1ac.PersistentVolumeClaim(name, c.Namespace).
		WithLabels(c.labels(map[string]string{
			naming.LabelInstance:  instance,
			naming.LabelVolume:    kind,
			naming.LabelComponent: ComponentInstance,
		})).
		WithAnnotations(c.annotations(annotations)).
		WithSpec(spec)
}
