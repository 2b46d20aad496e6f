//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// Deadlines, generous: tests assert that things happen, benchmarks how fast.
const (
	readyWithin = 3 * time.Minute
	saidWithin  = time.Minute
)

// cluster is a PostgresCluster under test.
type cluster struct {
	*space
	name string
}

type spec = v1alpha1.PostgresClusterSpec

// create makes a cluster of three small instances, whose primary is reached from this machine; edits change that.
func (s *space) create(name string, edits ...func(*spec)) *cluster {
	s.t.Helper()
	wanted := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.name}, Spec: small()}
	for _, edit := range edits {
		edit(&wanted.Spec)
	}
	if err := kube.Create(s.t.Context(), wanted); err != nil {
		s.t.Fatalf("creating cluster %s: %v", name, err)
	}
	return &cluster{space: s, name: name}
}

// small is a cluster of which several fit on a machine of two cores.
func small() spec {
	three := int32(3)
	return spec{
		Team: "e2e", Version: "17", Instances: &three,
		Storage: v1alpha1.Storage{Volume: v1alpha1.Volume{Size: resource.MustParse("512Mi")}},
		Resources: v1alpha1.Resources{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
		},
		Services: v1alpha1.Services{Primary: v1alpha1.ServiceTemplate{Type: corev1.ServiceTypeLoadBalancer}},
	}
}

// instances sets how many there are to be.
func instances(n int32) func(*spec) { return func(s *spec) { s.Instances = &n } }

// onClass has the volumes made by a storage class.
func onClass(name string) func(*spec) {
	return func(s *spec) { s.Storage.StorageClassName = &name }
}

func (c *cluster) instance(ordinal int) string { return naming.Instance(c.name, ordinal) }

func (c *cluster) get() (*v1alpha1.PostgresCluster, error) {
	found := &v1alpha1.PostgresCluster{}
	return found, c.find(c.name, found)
}

func (c *cluster) mustGet() *v1alpha1.PostgresCluster {
	c.t.Helper()
	found, err := c.get()
	if err != nil {
		c.t.Fatal(err)
	}
	return found
}

// tryEdit changes the spec as a person would.
func (c *cluster) tryEdit(change func(*spec)) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		present, err := c.get()
		if err != nil {
			return err
		}
		change(&present.Spec)
		return kube.Update(c.t.Context(), present)
	})
}

func (c *cluster) edit(change func(*spec)) {
	c.t.Helper()
	if err := c.tryEdit(change); err != nil {
		c.t.Fatalf("editing the cluster: %v", err)
	}
}

// delete the cluster, and wait until it and its pods are gone.
func (c *cluster) delete() {
	c.t.Helper()
	if err := kube.Delete(c.t.Context(), c.mustGet()); err != nil {
		c.t.Fatalf("deleting the cluster: %v", err)
	}
	eventually(c.t, 2*time.Minute, "cluster and pods are gone", func() error {
		switch _, err := c.get(); {
		case err == nil:
			return errors.New("the cluster is still there")
		case client.IgnoreNotFound(err) != nil:
			return err
		}
		if pods := c.instancePods(); len(pods) > 0 {
			return fmt.Errorf("%d pods are still there", len(pods))
		}
		return nil
	})
}

// isReady tells why the cluster is not what its spec asks for; nil where it is.
func (c *cluster) isReady() error {
	found, err := c.get()
	if err != nil {
		return err
	}
	ready := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case ready == nil:
		return errors.New("there is no condition Ready")
	case ready.Status != metav1.ConditionTrue:
		return fmt.Errorf("Ready is %s, %s: %s", ready.Status, ready.Reason, ready.Message)
	case ready.ObservedGeneration != found.Generation || found.Status.ObservedGeneration != found.Generation:
		return fmt.Errorf("the status speaks of generation %d, the spec is at %d", found.Status.ObservedGeneration, found.Generation)
	}
	wanted := fmt.Sprintf("%d/%d", *found.Spec.Instances, *found.Spec.Instances)
	if found.Status.Summary.Instances != wanted {
		return fmt.Errorf("%s instances are ready", found.Status.Summary.Instances)
	}
	return errors.Join(c.tellsOfItsPods(found), c.tellsOfItsLease(found))
}

// tellsOfItsLease tells why the status is not about who leads now: a moment after that has changed, or was given up, the operator has not seen it.
func (c *cluster) tellsOfItsLease(found *v1alpha1.PostgresCluster) error {
	lease := &coordinationv1.Lease{}
	if err := c.find(naming.Lease(c.name), lease); err != nil {
		return err
	}
	switch {
	case lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "":
		return errors.New("nobody holds the Lease")
	case lease.Spec.LeaseTransitions == nil || found.Status.Availability == nil:
		return errors.New("there is no term yet")
	case found.Status.Primary != *lease.Spec.HolderIdentity, found.Status.Availability.Term != int64(*lease.Spec.LeaseTransitions):
		return fmt.Errorf("the status tells of %s in term %d, the Lease of %s in term %d",
			found.Status.Primary, found.Status.Availability.Term, *lease.Spec.HolderIdentity, *lease.Spec.LeaseTransitions)
	}
	return nil
}

// tellsOfItsPods tells why the status is not about the pods that are there: a moment after one was deleted, the operator has not
// yet said anything of it.
func (c *cluster) tellsOfItsPods(found *v1alpha1.PostgresCluster) error {
	pods, err := c.listInstancePods(c.t.Context())
	if err != nil {
		return err
	}
	if len(pods) != int(*found.Spec.Instances) {
		return fmt.Errorf("there are %d pods", len(pods))
	}
	for i := range pods {
		pod := &pods[i]
		if pod.DeletionTimestamp != nil {
			return fmt.Errorf("pod %s ends", pod.Name)
		}
		if !slices.ContainsFunc(found.Status.Instances, func(instance v1alpha1.InstanceStatus) bool {
			return instance.Name == pod.Name && instance.CreatedAt.Equal(&pod.CreationTimestamp)
		}) {
			return fmt.Errorf("the status does not tell of pod %s of %s", pod.Name, pod.CreationTimestamp.Format(time.TimeOnly))
		}
	}
	return nil
}

func (c *cluster) waitReady() {
	c.t.Helper()
	eventually(c.t, readyWithin, c.name+" is ready", c.isReady)
}

// says tells whether a condition is True for a reason, with a message that holds all these words.
func (c *cluster) says(kind, reason string, words ...string) error {
	found, err := c.get()
	if err != nil {
		return err
	}
	condition := meta.FindStatusCondition(found.Status.Conditions, kind)
	if condition == nil || condition.Status != metav1.ConditionTrue {
		return fmt.Errorf("%s is not True; conditions: %s", kind, told(found.Status.Conditions))
	}
	if condition.Reason != reason {
		return fmt.Errorf("%s is True for %s: %s", kind, condition.Reason, condition.Message)
	}
	for _, word := range words {
		if !strings.Contains(condition.Message, word) {
			return fmt.Errorf("the message of %s does not name %q: %s", kind, word, condition.Message)
		}
	}
	return nil
}

// waitStalled waits until a person is told to act.
func (c *cluster) waitStalled(reason string, words ...string) {
	c.t.Helper()
	eventually(c.t, saidWithin, "Stalled says "+reason, func() error { return c.says(v1alpha1.ConditionStalled, reason, words...) })
}

func told(conditions []metav1.Condition) string {
	var texts []string
	for _, condition := range conditions {
		texts = append(texts, fmt.Sprintf("%s=%s %s: %s", condition.Type, condition.Status, condition.Reason, condition.Message))
	}
	return strings.Join(texts, "; ")
}

// primary is the instance that leads, as the Lease tells.
func (c *cluster) primary() string {
	c.t.Helper()
	lease := &coordinationv1.Lease{}
	c.mustFind(naming.Lease(c.name), lease)
	if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "" {
		c.t.Fatalf("nobody holds the Lease %s", lease.Name)
	}
	return *lease.Spec.HolderIdentity
}

// standbys are all instances with a pod but the primary.
func (c *cluster) standbys() []string {
	c.t.Helper()
	primary := c.primary()
	var names []string
	for _, pod := range c.instancePods() {
		if pod.Name != primary {
			names = append(names, pod.Name)
		}
	}
	slices.Sort(names)
	return names
}

// instancePods that there are now.
func (c *cluster) instancePods() []corev1.Pod {
	c.t.Helper()
	pods, err := c.listInstancePods(c.t.Context())
	if err != nil {
		c.t.Fatalf("listing pods: %v", err)
	}
	return pods
}

func (c *cluster) listInstancePods(ctx context.Context) ([]corev1.Pod, error) {
	var pods corev1.PodList
	err := kube.List(ctx, &pods, client.InNamespace(c.space.name),
		client.MatchingLabels{naming.LabelCluster: c.name, naming.LabelComponent: "instance"})
	return pods.Items, err
}

func (c *cluster) pod(name string) *corev1.Pod {
	c.t.Helper()
	pod := &corev1.Pod{}
	c.mustFind(name, pod)
	return pod
}

// evict asks for the end of a pod as a drain does, and waits until another one has its place.
func (c *cluster) evict(name string) {
	c.t.Helper()
	former := c.pod(name)
	// A drain asks again while the disruption budget says no: how many are healthy is counted a moment after they are.
	eventually(c.t, saidWithin, "a drain may end "+name, func() error {
		eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: former.Namespace, Name: name}}
		err := kube.SubResource("eviction").Create(c.t.Context(), former, eviction)
		if err != nil && !apierrors.IsTooManyRequests(err) {
			c.t.Fatalf("a drain could not end %s: %v", name, err)
		}
		return err
	})
	c.mustBeReplaced(former)
}

// deletePod as a drain does, and wait until another one has its place.
func (c *cluster) deletePod(name string) {
	c.t.Helper()
	former := c.pod(name)
	if err := kube.Delete(c.t.Context(), former); err != nil {
		c.t.Fatalf("deleting pod %s: %v", name, err)
	}
	c.mustBeReplaced(former)
}

// mustBeReplaced by another pod of the same name.
func (c *cluster) mustBeReplaced(former *corev1.Pod) {
	c.t.Helper()
	eventually(c.t, 2*time.Minute, "another pod "+former.Name+" is made", func() error {
		pod := &corev1.Pod{}
		if err := c.find(former.Name, pod); err != nil {
			return err
		}
		if pod.UID == former.UID {
			return errors.New("the former one is still there")
		}
		return nil
	})
}

// claim of an instance's data volume.
func (c *cluster) claim(instance string) *corev1.PersistentVolumeClaim {
	c.t.Helper()
	claim := &corev1.PersistentVolumeClaim{}
	c.mustFind(naming.DataVolume(instance), claim)
	return claim
}

// loseVolume deletes the claim and the pod of an instance: what a person does whose disk is lost.
func (c *cluster) loseVolume(instance string) {
	c.t.Helper()
	claim := c.claim(instance)
	if err := kube.Delete(c.t.Context(), claim); err != nil {
		c.t.Fatalf("deleting claim %s: %v", claim.Name, err)
	}
	if err := kube.Delete(c.t.Context(), c.pod(instance), client.GracePeriodSeconds(0)); err != nil {
		c.t.Fatalf("deleting pod %s: %v", instance, err)
	}
	eventually(c.t, 2*time.Minute, "the former volume of "+instance+" is gone", func() error {
		found := &corev1.PersistentVolumeClaim{}
		err := c.find(claim.Name, found)
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		if err == nil && found.UID == claim.UID {
			return errors.New("it is still there")
		}
		return nil
	})
}
