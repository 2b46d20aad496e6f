package operator

import (
	"hash/maphash"
	"maps"
	"strings"
	"sync"

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
	ours := cache.ByObject{Label: labels.NewSelector().Add(*requirement), Transform: slim}
	pods := cache.ByObject{Label: ours.Label, Transform: slimPod}
	return cache.Options{
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}: pods, &corev1.Secret{}: ours, &corev1.Service{}: ours, &corev1.ServiceAccount{}: ours,
			&corev1.PersistentVolumeClaim{}: ours, &rbacv1.Role{}: ours, &rbacv1.RoleBinding{}: ours,
			&policyv1.PodDisruptionBudget{}: ours, &discoveryv1.EndpointSlice{}: ours, &coordinationv1.Lease{}: ours,
		},
		DefaultTransform: slim,
		// A kind that no controller watches is never cached by the way: all objects of the cluster would be.
		ReaderFailOnMissingInformer: true,
	}
}

// slim drops what nobody here reads and is often half of an object, and keeps once what is the same in many.
func slim(object any) (any, error) {
	accessor, ok := object.(metav1.Object)
	if !ok {
		return object, nil // that one was deleted while nobody watched
	}
	accessor.SetManagedFields(nil)
	accessor.SetNamespace(shared(accessor.GetNamespace()))
	accessor.SetLabels(labelled(sharing(accessor.GetLabels())))
	accessor.SetAnnotations(sharing(accessor.GetAnnotations()))
	accessor.SetOwnerReferences(owned(accessor.GetOwnerReferences()))
	return object, nil
}

// shared is the same text, which is in memory once for all that have it. The standard library's own way forgets a text at the next collection of garbage.
func shared(text string) string { return texts.of(text, func() string { return strings.Clone(text) }) }

// sharing are the same labels or annotations. Values that are long are of one object alone.
func sharing(values map[string]string) map[string]string {
	const long = 64
	if values == nil {
		return nil
	}
	same := make(map[string]string, len(values))
	for key, value := range values {
		if len(value) < long {
			value = shared(value)
		}
		same[shared(key)] = value
	}
	return same
}

// texts, labels and owners of what is cached, as those of all children of a cluster: maps and slices take more memory than what is in them. Whoever changes an object
// that is cached has a copy of it, as everywhere.
var (
	texts     pool[string, string]
	alike     pool[uint64, map[string]string]
	sameOwner pool[metav1.OwnerReference, []metav1.OwnerReference]
	seed      = maphash.MakeSeed()
)

// labelled with these: the map that is known to have the same, or this one. No two objects have those of an instance's.
func labelled(values map[string]string) map[string]string {
	if _, one := values[naming.LabelInstance]; one || len(values) == 0 {
		return values
	}
	var sum uint64 // whatever their order
	for key, value := range values {
		sum += maphash.Comparable(seed, [2]string{key, value})
	}
	if known := alike.of(sum, func() map[string]string { return values }); maps.Equal(known, values) {
		return known
	}
	return values
}

// owned by these. Of what is cached that is the one cluster. What is given is not written to: it may have come from here before.
func owned(owners []metav1.OwnerReference) []metav1.OwnerReference {
	if len(owners) != 1 || !isTrue(owners[0].Controller) || !isTrue(owners[0].BlockOwnerDeletion) {
		return owners
	}
	key := owners[0]
	key.Controller, key.BlockOwnerDeletion = nil, nil // addresses; both are true
	return sameOwner.of(key, func() []metav1.OwnerReference { return owners })
}

func isTrue(value *bool) bool { return value != nil && *value }

// pool of what is the same for many objects. The zero value is ready to use.
type pool[K comparable, V any] struct {
	mutex sync.Mutex
	known map[K]V
}

// poolSize is how much a pool knows, of some thousand clusters. Then it begins anew: objects keep what they have, and what is gone is not held for ever.
const poolSize = 1 << 16

// of this key: what is known, or else what is made now.
func (p *pool[K, V]) of(key K, made func() V) V {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if known, ok := p.known[key]; ok {
		return known
	}
	if p.known == nil || len(p.known) >= poolSize {
		p.known = map[K]V{}
	}
	value := made()
	p.known[key] = value
	return value
}

// slimPod keeps of a pod's spec its node, and its containers with their images: pods are most of what the operator holds for a cluster.
// Whether one is as it should be is told by the hash in its annotations; who needs the rest, as drift does, reads from the API server.
func slimPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil // that one was deleted while nobody watched
	}
	spec := corev1.PodSpec{NodeName: pod.Spec.NodeName}
	for i := range pod.Spec.Containers {
		spec.Containers = append(spec.Containers, corev1.Container{Name: pod.Spec.Containers[i].Name, Image: pod.Spec.Containers[i].Image})
	}
	pod.Spec = spec
	slimStatus(&pod.Status)
	return slim(pod)
}

// slimStatus drops what the kubelet tells of each container's mounts, resources and identifiers.
func slimStatus(status *corev1.PodStatus) {
	status.HostIPs, status.PodIPs, status.AllocatedResources, status.Resources = nil, nil, nil, nil
	status.HostIP, status.NominatedNodeName = shared(status.HostIP), shared(status.NominatedNodeName)
	for _, containers := range [][]corev1.ContainerStatus{status.InitContainerStatuses, status.ContainerStatuses, status.EphemeralContainerStatuses} {
		for i := range containers {
			container := &containers[i]
			container.VolumeMounts, container.AllocatedResources, container.AllocatedResourcesStatus, container.Resources, container.User = nil, nil, nil, nil, nil
			container.ContainerID, container.Name, container.Image, container.ImageID = "", shared(container.Name), shared(container.Image), shared(container.ImageID)
		}
	}
}
