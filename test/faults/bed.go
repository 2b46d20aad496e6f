package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/naming"
)

// Bed is the cluster under test, in a namespace of its own: three instances with defaults, but for Edits.
type Bed struct {
	*Kubernetes
	Namespace, Cluster string
	// Edits change the spec of the cluster when it is made.
	Edits []func(*v1alpha1.PostgresClusterSpec)
}

// Make the cluster anew, whatever is there, and wait until it is whole.
func (b *Bed) Make(ctx context.Context) error {
	if err := b.Remove(ctx); err != nil {
		return err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: b.Namespace,
		Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
	if err := b.api.Create(ctx, namespace); err != nil {
		return fmt.Errorf("making the namespace: %w", err)
	}
	cluster := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Name: b.Cluster, Namespace: b.Namespace}, Spec: b.spec()}
	if err := b.api.Create(ctx, cluster); err != nil {
		return fmt.Errorf("creating the cluster: %w", err)
	}
	return b.WaitWhole(ctx)
}

func (b *Bed) spec() v1alpha1.PostgresClusterSpec {
	spec := small()
	for _, edit := range b.Edits {
		edit(&spec)
	}
	return spec
}

// instances of the cluster.
func (b *Bed) instances() int { return int(*b.spec().Instances) }

// quorum that is published while all members are there: a majority of them, unless nobody is waited for.
func (b *Bed) quorum() (mode election.Mode, required int) {
	if b.spec().Availability.Mode == v1alpha1.ModeAsynchronous {
		return election.ModeAsynchronous, 1
	}
	return election.ModeQuorum, b.instances()/2 + 1
}

// small is a cluster with defaults, but for what a machine of two cores can bear, a way in for clients of this machine,
// and one instance on each node, so that a node takes one of them.
func small() v1alpha1.PostgresClusterSpec {
	count := int32(3)
	spec := v1alpha1.PostgresClusterSpec{
		Team: "faults", Version: "17", Instances: &count,
		Storage: v1alpha1.Storage{Volume: v1alpha1.Volume{Size: resource.MustParse("1Gi")}},
		Resources: v1alpha1.Resources{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
		},
		Services: v1alpha1.Services{Primary: v1alpha1.ServiceTemplate{Type: corev1.ServiceTypeNodePort}},
	}
	spec.Scheduling.AntiAffinity.Type = v1alpha1.AntiAffinityRequired
	return spec
}

// Remove cluster, volumes and namespace.
func (b *Bed) Remove(ctx context.Context) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: b.Namespace}}
	err := b.api.DeleteAllOf(ctx, &v1alpha1.PostgresCluster{}, client.InNamespace(b.Namespace))
	if err != nil {
		return fmt.Errorf("deleting the cluster: %w", err)
	}
	if err := client.IgnoreNotFound(b.api.Delete(ctx, namespace)); err != nil {
		return fmt.Errorf("deleting the namespace: %w", err)
	}
	return until(ctx, 3*time.Minute, "namespace "+b.Namespace+" goes", func(ctx context.Context) error {
		err := b.api.Get(ctx, client.ObjectKeyFromObject(namespace), namespace)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(errors.New("it is still there"), err)
	})
}

func (b *Bed) find(ctx context.Context, name string, object client.Object) error {
	return b.api.Get(ctx, client.ObjectKey{Namespace: b.Namespace, Name: name}, object)
}

// Pods of the instances, by name.
func (b *Bed) pods(ctx context.Context) (map[string]*corev1.Pod, error) {
	var list corev1.PodList
	err := b.api.List(ctx, &list, client.InNamespace(b.Namespace),
		client.MatchingLabels{naming.LabelCluster: b.Cluster, naming.LabelComponent: "instance"})
	pods := map[string]*corev1.Pod{}
	for i := range list.Items {
		pods[list.Items[i].Name] = &list.Items[i]
	}
	return pods, err
}

// Leadership is what the Lease says.
type Leadership struct {
	// Holder "" where nobody leads.
	Holder string
	Term   int64
	Quorum election.Quorum
	// AcquiredAt is when it took the Lease, RenewedAt when it renewed it last, and Lasts how long that counts.
	AcquiredAt, RenewedAt time.Time
	Lasts                 time.Duration
	// Handover is to whom a Lease without a holder was passed, and LastFailover how this term began; nil in the first one.
	Handover     string
	LastFailover *election.Failover
}

// Leadership reads the Lease.
func (b *Bed) Leadership(ctx context.Context) (Leadership, error) {
	lease := &coordinationv1.Lease{}
	if err := b.find(ctx, naming.Lease(b.Cluster), lease); err != nil {
		return Leadership{}, err
	}
	var found Leadership
	if acquired, renewed, seconds := lease.Spec.AcquireTime, lease.Spec.RenewTime, lease.Spec.LeaseDurationSeconds; acquired != nil && renewed != nil && seconds != nil {
		found.AcquiredAt, found.RenewedAt, found.Lasts = acquired.Time, renewed.Time, time.Duration(*seconds)*time.Second
	}
	if lease.Spec.HolderIdentity != nil {
		found.Holder = *lease.Spec.HolderIdentity
	}
	if lease.Spec.LeaseTransitions != nil {
		found.Term = int64(*lease.Spec.LeaseTransitions)
	}
	found.Handover = lease.Annotations["timonier.io/handover"]
	for annotation, target := range map[string]any{"timonier.io/quorum": &found.Quorum, "timonier.io/last-failover": &found.LastFailover} {
		if text := lease.Annotations[annotation]; text != "" {
			if err := json.Unmarshal([]byte(text), target); err != nil {
				return found, fmt.Errorf("annotation %s of the Lease: %w", annotation, err)
			}
		}
	}
	return found, nil
}

// superuser runs SQL in an instance's pod, where alone that is possible.
func (b *Bed) superuser(ctx context.Context, instance, sql string) (string, error) {
	return b.kubectl(ctx, "-n", b.Namespace, "exec", instance, "--", "psql", "-h", "/run/timonier/socket", "-U", naming.Superuser,
		"-d", "postgres", "-v", "ON_ERROR_STOP=1", "-XAtc", sql)
}
