package operator

import (
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/internal/naming"
)

// cacheOptions keeps what belongs to clusters and nothing else: memory must not grow with other people's objects.
func cacheOptions() cache.Options {
	requirement, err := labels.NewRequirement(naming.LabelCluster, selection.Exists, nil)
	if err != nil {
		panic(err) // a constant
	}
	ours := cache.ByObject{Label: labels.NewSelector().Add(*requirement), Transform: withoutManagedFields}
	pods := cache.ByObject{Label: ours.Label, Transform: slimPod}
	return cache.Options{
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}: pods, &corev1.Secret{}: ours, &corev1.Service{}: ours, &corev1.ServiceAccount{}: ours,
			&corev1.PersistentVolumeClaim{}: ours, &rbacv1.Role{}: ours, &rbacv1.RoleBinding{}: ours,
			&policyv1.PodDisruptionBudget{}: ours, &discoveryv1.EndpointSlice{}: ours, &coordinationv1.Lease{}: ours,
		},
		DefaultTransform: withoutManagedFields,
		// A kind that no controller watches is never cached by the way: all objects of the cluster would be.
		ReaderFailOnMissingInformer: true,
	}
}

// withoutManagedFields drops what nobody here reads and is often half of an object.
func withoutManagedFields(object any) (any, error) {
	if accessor, ok := object.(metav1.Object); ok {
		accessor.SetManagedFields(nil)
	}
	return object, nil
}

// slimPod keeps of a pod's spec its node, and its containers with their images: pods are most of what the operator holds for a cluster.
// Whether one is as it should be is told by the hash in its annotations; who needs the rest, as drift does, reads from the API server.
func slimPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return withoutManagedFields(object) // that one was deleted while nobody watched
	}
	pod.ManagedFields = nil
	spec := corev1.PodSpec{NodeName: pod.Spec.NodeName}
	for i := range pod.Spec.Containers {
		spec.Containers = append(spec.Containers, corev1.Container{Name: pod.Spec.Containers[i].Name, Image: pod.Spec.Containers[i].Image})
	}
	pod.Spec = spec
	return pod, nil
}
