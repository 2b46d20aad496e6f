// Package provision makes the volumes that claims ask for, and deletes those that nobody claims any
// more. When to do so is decided by the library of the standard external-provisioner; here is only
// how.
package provision

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"

	"github.com/timonier-io/timonier/dev/localcluster/internal/csi"
	"github.com/timonier-io/timonier/dev/localcluster/internal/disk"
)

// Run provisions and deletes until the context ends.
func Run(ctx context.Context, client kubernetes.Interface, volumes string) {
	// A volume cannot be deleted before the kubelet has unmounted it, a moment after its claim is
	// gone: so the first attempts follow each other quickly.
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](50*time.Millisecond, 10*time.Second)
	c := controller.NewProvisionController(ctx, client, csi.DriverName, provisioner{volumes},
		controller.LeaderElection(false),
		controller.RateLimiter(limiter),
		controller.FailedDeleteThreshold(0), controller.FailedProvisionThreshold(0), // for ever
		controller.Threadiness(10),
		controller.AddFinalizer(true),
	)
	var workers sync.WaitGroup
	c.ControllerWaitGroup(&workers)
	c.Run(ctx)
	workers.Wait()
}

type provisioner struct{ volumes string }

// Provision makes a file with a file system in it, and describes it as a volume.
func (p provisioner) Provision(_ context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	if o.PVC.Spec.Selector != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("this provisioner makes new volumes and cannot select among old ones: remove spec.selector")
	}
	if mode := o.PVC.Spec.VolumeMode; mode != nil && *mode == corev1.PersistentVolumeBlock {
		return nil, controller.ProvisioningFinished, fmt.Errorf("this provisioner has no raw block volumes: set volumeMode to Filesystem")
	}
	for _, mode := range o.PVC.Spec.AccessModes {
		if mode == corev1.ReadWriteMany || mode == corev1.ReadOnlyMany {
			return nil, controller.ProvisioningFinished, fmt.Errorf("a volume is used by one node at a time: access mode %s is not to be had, ask for ReadWriteOnce", mode)
		}
	}
	bytes := Size(o.PVC.Spec.Resources.Requests[corev1.ResourceStorage])
	if err := disk.Create(disk.Image(p.volumes, o.PVName), bytes); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	fs := corev1.PersistentVolumeFilesystem
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: *resource.NewQuantity(bytes, resource.BinarySI)},
			AccessModes:                   o.PVC.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			MountOptions:                  o.StorageClass.MountOptions,
			VolumeMode:                    &fs,
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: csi.DriverName, VolumeHandle: o.PVName, FSType: "xfs"},
			},
		},
	}
	if o.StorageClass.Parameters["reach"] == "node" {
		volume.Spec.NodeAffinity = onlyOn(o.SelectedNodeName)
	}
	return volume, controller.ProvisioningFinished, nil
}

// Delete removes a volume's file. A kubelet unmounts a volume a moment after its claim is gone; Delete
// waits a little for that, so as not to fill the log with attempts, and is tried again if it fails.
func (p provisioner) Delete(ctx context.Context, volume *corev1.PersistentVolume) error {
	if volume.Spec.CSI == nil || volume.Spec.CSI.Driver != csi.DriverName {
		return &controller.IgnoredError{Reason: "it is a volume of another driver"}
	}
	image := disk.Image(p.volumes, volume.Spec.CSI.VolumeHandle)
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for disk.Loop(image) != "" && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	return disk.Delete(image)
}

// Size is what a claim gets for what it asks: at least what a file system needs.
func Size(request resource.Quantity) int64 { return max(request.Value(), disk.MinimumBytes) }

func onlyOn(node string) *corev1.VolumeNodeAffinity {
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{
			Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node},
		}},
	}}}}
}
