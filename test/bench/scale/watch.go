package main

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/naming"
)

// watch the pods of instances for the kubelet, and all clusters for their statuses, until the function is called.
func watch(ctx context.Context, w *world, k *kubelet, s *statuses) (stop func() error, err error) {
	watched, err := cache.New(w.config, cache.Options{
		Scheme: w.scheme, DefaultTransform: slim,
		ByObject: map[client.Object]cache.ByObject{&corev1.Pod{}: {
			Label: labels.SelectorFromSet(labels.Set{naming.LabelComponent: desired.ComponentInstance})}},
	})
	if err != nil {
		return nil, fmt.Errorf("preparing to watch: %w", err)
	}
	pods := &metav1.PartialObjectMetadata{}
	pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	podInformer, podErr := watched.GetInformer(ctx, pods)
	clusterInformer, clusterErr := watched.GetInformer(ctx, &v1alpha1.PostgresCluster{})
	if err := errors.Join(podErr, clusterErr); err != nil {
		return nil, fmt.Errorf("watching: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	_, podErr = podInformer.AddEventHandler(k.run(ctx))
	_, clusterErr = clusterInformer.AddEventHandler(s.handler())
	if err := errors.Join(podErr, clusterErr); err != nil {
		cancel()
		return nil, fmt.Errorf("watching: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- watched.Start(ctx) }()
	stop = func() error {
		cancel()
		return <-ended
	}
	if !watched.WaitForCacheSync(ctx) {
		return nil, errors.Join(errors.New("the API server does not list pods and clusters"), stop())
	}
	return stop, nil
}

// slim takes away what nobody here reads, and is most of many objects.
func slim(object any) (any, error) {
	if accessor, ok := object.(metav1.Object); ok {
		accessor.SetManagedFields(nil)
		accessor.SetAnnotations(nil)
		accessor.SetOwnerReferences(nil)
	}
	return object, nil
}
