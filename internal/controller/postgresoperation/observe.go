package postgresoperation

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/controller/wheel"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
	"github.com/timonier-io/timonier/internal/reconcile/management"
)

// +kubebuilder:rbac:groups=postgres.timonier.io,resources=postgresclusters,verbs=get
// +kubebuilder:rbac:groups=platform.timonier.io,resources=platforms,verbs=get
// +kubebuilder:rbac:groups="",resources=pods;secrets,verbs=get;list;watch
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=get

// observe all that a step is decided from. What a refusal may hang on is read from the API server.
func (r *Reconciler) observe(ctx context.Context, operation *v1alpha1.PostgresOperation) (facts, *v1alpha1.PostgresCluster, error) {
	f := facts{uid: string(operation.UID), spec: operation.Spec, status: operation.Status, now: r.Now()}
	f.status.Failures = nil // a step that is reported did not fail
	key := client.ObjectKey{Namespace: operation.Namespace, Name: operation.Spec.ClusterRef.Name}
	cluster := &v1alpha1.PostgresCluster{}
	err := r.Live.Get(ctx, key, cluster)
	if apierrors.IsNotFound(err) || (err == nil && !cluster.DeletionTimestamp.IsZero()) {
		return f, nil, nil
	}
	if err != nil {
		return f, nil, fmt.Errorf("cluster %s: %w", key.Name, err)
	}
	pods, err := r.pods(ctx, cluster)
	if err != nil {
		return f, nil, err
	}
	if f.record, err = r.lease(ctx, cluster); err != nil {
		return f, nil, err
	}
	dial, err := r.dial(ctx, cluster)
	f.instances = contact.Ask(ctx, pods, f.record.Holder, dial, err)
	f.cluster = clusterOf(cluster, pods)
	platform, err := wheel.Reader{Client: r.Live}.Platform(ctx)
	if err != nil {
		return f, nil, err
	}
	f.cluster.unmanaged, f.cluster.removed = steered(cluster, wheel.Says(platform), r.Keeper.Version)
	f.leftAlone = leftAloneOf(cluster, f.cluster.names, platform.Overrides)
	f.rival, err = r.rival(ctx, operation, f.cluster.unmanaged != "")
	return f, cluster, err
}

// steered says by what the cluster is left alone, "" where it is managed, and whether it is taken away. Hands are off as soon as that is asked for, whether or
// not the cluster's controller has taken it up; and on again once it has, for it shows first what a person changed.
func steered(cluster *v1alpha1.PostgresCluster, platform management.Platform, version string) (unmanaged string, removed bool) {
	resource := management.Resource{Group: v1alpha1.GroupVersion.Group, Kind: "PostgresCluster", Namespace: cluster.Namespace, Name: cluster.Name}
	last := cluster.Status.OperatorVersion
	decision := management.Decide(resource, cluster.Spec.ManagementState, platform, contract.Removed)
	switch {
	case decision.State == contract.Unmanaged:
		return decision.By, false
	case len(cluster.Status.Management.LeftAlone) > 0 && management.DecideTakeover(last, version) == management.Refuses:
		return fmt.Sprintf("overrides of the Platform for %d of its children, since version %s of the operator, which is not taken over by %s", len(cluster.Status.Management.LeftAlone), last, version), false
	case cluster.Status.ManagementState == contract.Unmanaged && decision.State == contract.Removed && cluster.Spec.RemovalConfirmation != cluster.Name &&
		slices.Contains([]string{"spec.managementState", "spec.resumePolicy"}, cluster.Status.Management.By):
		return cluster.Status.Management.By + ", until its removal is confirmed or taken back", false
	case cluster.Status.ManagementState == contract.Unmanaged:
		return cmp.Or(cluster.Status.Management.By, "spec.managementState") + ", until the operator has taken it over again", false
	}
	return "", decision.State == contract.Removed && cluster.Spec.RemovalConfirmation == cluster.Name
}

// leftAloneOf these instances whose pod or a volume is left alone: by an override, as soon as there is one, or since the cluster's controller says so.
func leftAloneOf(cluster *v1alpha1.PostgresCluster, instances []string, overrides []contract.Override) map[string]string {
	alone := map[string]string{}
	for _, instance := range instances {
		for _, child := range []management.Resource{
			{Kind: "Pod", Namespace: cluster.Namespace, Name: instance},
			{Kind: "PersistentVolumeClaim", Namespace: cluster.Namespace, Name: naming.DataVolume(instance)},
			{Kind: "PersistentVolumeClaim", Namespace: cluster.Namespace, Name: naming.WALVolume(instance)},
		} {
			by := management.LeftAlone(child, overrides)
			if by == "" && slices.Contains(cluster.Status.Management.LeftAlone, child.Kind+"/"+child.Name) {
				by = "status.management.leftAlone of the cluster"
			}
			if by != "" {
				alone[instance] = fmt.Sprintf("%s %s is left alone, by %s", child.Kind, child.Name, by)
				break
			}
		}
	}
	return alone
}

func clusterOf(cluster *v1alpha1.PostgresCluster, pods map[string]*corev1.Pod) *clusterFacts {
	found := &clusterFacts{uid: string(cluster.UID), wanted: 3, durability: v1alpha1.DurabilityRequired}
	if cluster.Spec.Instances != nil {
		found.wanted = int(*cluster.Spec.Instances)
	}
	if status := cluster.Status.Availability; status != nil {
		found.durability, found.term = status.Effective.Durability, status.Term
	}
	certificates := cluster.Status.Certificates
	found.renewedBy, found.certificatesLeftAlone, found.rotating = certificates.RenewedBy, certificates.LeftAlone, certificates.Rotating
	names := map[string]bool{}
	for name := range pods {
		names[name] = true
	}
	for i := range cluster.Status.Instances {
		names[cluster.Status.Instances[i].Name] = true
	}
	found.names = slices.Sorted(maps.Keys(names))
	return found
}

func (r *Reconciler) pods(ctx context.Context, cluster *v1alpha1.PostgresCluster) (map[string]*corev1.Pod, error) {
	var list corev1.PodList
	err := r.Client.List(ctx, &list, client.InNamespace(cluster.Namespace),
		client.MatchingLabels{naming.LabelCluster: cluster.Name, naming.LabelComponent: desired.ComponentInstance})
	if err != nil {
		return nil, fmt.Errorf("pods: %w", err)
	}
	pods := map[string]*corev1.Pod{}
	for i := range list.Items {
		if pod := &list.Items[i]; metav1.IsControlledBy(pod, cluster) {
			pods[pod.Name] = pod
		}
	}
	return pods, nil
}

// lease as far as it counts: the zero Record where it is not the cluster's, is missing, or was edited by hand.
func (r *Reconciler) lease(ctx context.Context, cluster *v1alpha1.PostgresCluster) (election.Record, error) {
	lease := &coordinationv1.Lease{}
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: cluster.Namespace, Name: naming.Lease(cluster.Name)}, lease)
	if client.IgnoreNotFound(err) != nil {
		return election.Record{}, fmt.Errorf("lease: %w", err)
	}
	if err != nil || !metav1.IsControlledBy(lease, cluster) {
		return election.Record{}, nil
	}
	record, invalid := election.Decode(contact.Fields(lease))
	if invalid != nil {
		return election.Record{}, nil
	}
	return record, nil
}

func (r *Reconciler) dial(ctx context.Context, cluster *v1alpha1.PostgresCluster) (contact.Dial, error) {
	secret := &corev1.Secret{}
	if err := r.Client.Get(ctx, client.ObjectKey{Namespace: cluster.Namespace, Name: naming.PeerCA(cluster.Name)}, secret); err != nil {
		return nil, fmt.Errorf("the peer authority: %w", err)
	}
	if !metav1.IsControlledBy(secret, cluster) {
		return nil, fmt.Errorf("the Secret %s is not the cluster's", secret.Name)
	}
	state, err := pki.ParseAuthorityData(secret.Data)
	if err != nil {
		return nil, fmt.Errorf("the peer authority: %w", err)
	}
	return r.Connections.Of(client.ObjectKeyFromObject(cluster), state, r.Now())
}

// rival is another operation on the same cluster that has not ended, and that runs or, where this one does not, was asked for before it.
func (r *Reconciler) rival(ctx context.Context, operation *v1alpha1.PostgresOperation, unmanaged bool) (string, error) {
	var all v1alpha1.PostgresOperationList
	if err := r.Live.List(ctx, &all, client.InNamespace(operation.Namespace)); err != nil {
		return "", fmt.Errorf("operations: %w", err)
	}
	for i := range all.Items {
		other := &all.Items[i]
		if other.UID == operation.UID || other.Spec.ClusterRef.Name != operation.Spec.ClusterRef.Name || other.Status.FinishedAt != nil || !other.DeletionTimestamp.IsZero() {
			continue
		}
		if unmanaged && other.Spec.Type != v1alpha1.OperationRenewCertificates {
			continue // begun or not, it waits until the cluster is managed again, and keeps nobody else waiting
		}
		if other.Status.StartedAt != nil || operation.Status.StartedAt == nil && before(other, operation) {
			return other.Name, nil
		}
	}
	return "", nil
}

// before is the order in which operations were asked for; of the same second, that of their names.
func before(a, b *v1alpha1.PostgresOperation) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}
