package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/naming"
)

const (
	// kubeletWorkers start pods at the same time.
	kubeletWorkers = 8
	// imageID is what a kubelet tells beside the name of an image.
	imageID = "registry.example/postgres@sha256:0f2a9b3c4d5e6f708192a3b4c5d6e7f80f2a9b3c4d5e6f708192a3b4c5d6e7f8"
)

// kubelet plays the kubelets of all pods: each runs and is ready as soon as it is made, and is gone as soon as it is to go.
// Of pods it knows the metadata alone.
type kubelet struct {
	kube  client.Client
	fleet *fleet

	mutex sync.Mutex
	// begun are pods that were handed to a worker: to be started, or to be removed.
	begun map[types.UID]verb
}

// verb is what is done with a pod.
type verb int

const (
	none verb = iota
	starts
	removes
)

// task for a worker.
type task struct {
	pod  *metav1.PartialObjectMetadata
	verb verb
}

// run workers until the context ends, and give what hears of pods. It waits while they are busy.
func (k *kubelet) run(ctx context.Context) cache.ResourceEventHandler {
	tasks := make(chan task)
	for range kubeletWorkers {
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case next := <-tasks:
					k.insist(ctx, next)
				}
			}
		}()
	}
	hear := func(object any) {
		pod, ok := object.(*metav1.PartialObjectMetadata)
		if !ok {
			return
		}
		if do := k.decide(pod); do != none {
			select {
			case <-ctx.Done():
			case tasks <- task{pod, do}:
			}
		}
	}
	return cache.ResourceEventHandlerFuncs{AddFunc: hear, UpdateFunc: func(_, object any) { hear(object) }, DeleteFunc: k.forget}
}

// decide what is to be done with a pod, once for each.
func (k *kubelet) decide(pod *metav1.PartialObjectMetadata) verb {
	do := starts
	if pod.DeletionTimestamp != nil {
		do = removes
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.begun == nil {
		k.begun = map[types.UID]verb{}
	}
	if k.begun[pod.UID] >= do {
		return none
	}
	k.begun[pod.UID] = do
	return do
}

func (k *kubelet) forget(object any) {
	if last, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = last.Obj
	}
	if pod, ok := object.(*metav1.PartialObjectMetadata); ok {
		k.mutex.Lock()
		defer k.mutex.Unlock()
		delete(k.begun, pod.UID)
	}
}

// insist until it is done: a pod that was given up would keep its cluster from becoming ready.
func (k *kubelet) insist(ctx context.Context, next task) {
	for told := false; ; told = true {
		err := k.do(ctx, next)
		if err == nil || apierrors.IsNotFound(err) && next.verb == removes {
			return
		}
		if ctx.Err() != nil || k.isGone(ctx, next.pod) {
			return
		}
		if !told {
			fmt.Fprintf(os.Stderr, "pod %s/%s: %v; trying again\n", next.pod.Namespace, next.pod.Name, err)
		}
		if pause(ctx, time.Second) != nil { // after a failure
			return
		}
	}
}

// isGone tells whether there is no such pod any more; another one may have its name.
func (k *kubelet) isGone(ctx context.Context, pod *metav1.PartialObjectMetadata) bool {
	found := &metav1.PartialObjectMetadata{}
	found.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	err := k.kube.Get(ctx, client.ObjectKeyFromObject(pod), found)
	return apierrors.IsNotFound(err) || err == nil && found.UID != pod.UID
}

func (k *kubelet) do(ctx context.Context, next task) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: next.pod.Namespace, Name: next.pod.Name}}
	if next.verb == removes {
		return k.kube.Delete(ctx, pod, client.GracePeriodSeconds(0), client.Preconditions{UID: &next.pod.UID})
	}
	c, ordinal := k.fleet.of(pod.Namespace, next.pod.Labels[naming.LabelCluster], pod.Name)
	if c == nil {
		return nil // nobody's that is measured
	}
	if err := lead(ctx, k.kube, c); err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": next.pod.UID}, // another one of its name is not meant
		"status":   podStatus(c.address(ordinal), time.Now()),
	})
	if err != nil {
		return err
	}
	return k.kube.Status().Patch(ctx, pod, client.RawPatch(types.MergePatchType, patch))
}

// podStatus of a pod that runs and is ready.
func podStatus(address string, now time.Time) corev1.PodStatus {
	at, yes := metav1.NewTime(now), true
	status := corev1.PodStatus{Phase: corev1.PodRunning, PodIP: address, PodIPs: []corev1.PodIP{{IP: address}}, StartTime: &at}
	for _, kind := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		status.Conditions = append(status.Conditions, corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: at})
	}
	status.InitContainerStatuses = []corev1.ContainerStatus{{Name: desired.ContainerInstall, Ready: true, Image: managerImage, ImageID: managerImage,
		State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: at, FinishedAt: at}}}}
	status.ContainerStatuses = []corev1.ContainerStatus{{Name: desired.ContainerPostgres, Ready: true, Started: &yes, Image: postgresImage, ImageID: imageID,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at}}}}
	return status
}
