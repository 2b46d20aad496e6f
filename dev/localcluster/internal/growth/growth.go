// Package growth does what the standard external-resizer does: when a claim asks for more than its
// volume has, it raises the volume's capacity and notes on the claim that the file system is to
// follow. The kubelet sees that, has the driver grow the file system, and writes the new capacity to
// the claim.
//
// The standard's own library is not used: no release of it goes with this release of Kubernetes.
package growth

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/timonier-io/timonier/dev/localcluster/internal/csi"
	"github.com/timonier-io/timonier/dev/localcluster/internal/provision"
)

// Run grows volumes until the context ends.
func Run(ctx context.Context, client kubernetes.Interface) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	claims := factory.Core().V1().PersistentVolumeClaims()
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](50*time.Millisecond, 5*time.Second)
	queue := workqueue.NewTypedRateLimitingQueue(limiter)
	defer queue.ShutDown()

	enqueue := func(object any) {
		if claim, ok := object.(*corev1.PersistentVolumeClaim); ok {
			queue.Add(types.NamespacedName{Namespace: claim.Namespace, Name: claim.Name})
		}
	}
	if _, err := claims.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: enqueue, UpdateFunc: func(_, object any) { enqueue(object) },
	}); err != nil {
		return fmt.Errorf("watching claims: %w", err)
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	go func() { <-ctx.Done(); queue.ShutDown() }()

	for {
		key, shutdown := queue.Get()
		if shutdown {
			return nil
		}
		claim, err := claims.Lister().PersistentVolumeClaims(key.Namespace).Get(key.Name)
		if err == nil {
			err = grow(ctx, client, claim)
			if err != nil {
				log.Printf("growing the volume of %s: %v", key, err)
				queue.AddRateLimited(key)
			} else {
				queue.Forget(key)
			}
		}
		queue.Done(key)
	}
}

func grow(ctx context.Context, client kubernetes.Interface, claim *corev1.PersistentVolumeClaim) error {
	want, has := claim.Spec.Resources.Requests[corev1.ResourceStorage], claim.Status.Capacity[corev1.ResourceStorage]
	if claim.Status.Phase != corev1.ClaimBound || want.Cmp(has) <= 0 {
		return nil
	}
	volume, err := client.CoreV1().PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if volume.Spec.CSI == nil || volume.Spec.CSI.Driver != csi.DriverName {
		return nil
	}
	if capacity := volume.Spec.Capacity[corev1.ResourceStorage]; want.Cmp(capacity) > 0 {
		patch := map[string]any{"spec": map[string]any{"capacity": map[string]any{"storage": fmt.Sprint(provision.Size(want))}}}
		if err := mergePatch(patch, func(data []byte) error {
			_, err := client.CoreV1().PersistentVolumes().Patch(ctx, volume.Name, types.MergePatchType, data, metav1.PatchOptions{})
			return err
		}); err != nil {
			return fmt.Errorf("raising the capacity of %s: %w", volume.Name, err)
		}
	}
	return markForNode(ctx, client, claim, want.String())
}

// markForNode notes on the claim that the rest is the node's to do.
func markForNode(ctx context.Context, client kubernetes.Interface, claim *corev1.PersistentVolumeClaim, want string) error {
	pending := corev1.PersistentVolumeClaimNodeResizePending
	switch claim.Status.AllocatedResourceStatuses[corev1.ResourceStorage] {
	case pending, corev1.PersistentVolumeClaimNodeResizeInProgress:
		if allocated := claim.Status.AllocatedResources[corev1.ResourceStorage]; allocated.String() == want {
			return nil
		}
	default:
	}
	conditions := []corev1.PersistentVolumeClaimCondition{{
		Type: corev1.PersistentVolumeClaimFileSystemResizePending, Status: corev1.ConditionTrue,
		LastTransitionTime: metav1.Now(),
		Message:            "Waiting for a pod that uses the volume, so that its node grows the file system.",
	}}
	for _, c := range claim.Status.Conditions {
		if c.Type != corev1.PersistentVolumeClaimFileSystemResizePending && c.Type != corev1.PersistentVolumeClaimResizing {
			conditions = append(conditions, c)
		}
	}
	patch := map[string]any{"status": map[string]any{
		"allocatedResources":        map[string]any{"storage": want},
		"allocatedResourceStatuses": map[string]any{"storage": pending},
		"conditions":                conditions,
	}}
	return mergePatch(patch, func(data []byte) error {
		_, err := client.CoreV1().PersistentVolumeClaims(claim.Namespace).Patch(ctx, claim.Name, types.MergePatchType, data, metav1.PatchOptions{}, "status")
		return err
	})
}

func mergePatch(patch map[string]any, send func([]byte) error) error {
	data, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	return send(data)
}
