package postgrescluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list
// +kubebuilder:rbac:groups="",resources=persistentvolumes,verbs=get

// placeFor looks whether a node would take the new pod of an instance once the present one is gone: nil where one would.
// Everything is read from the API server, which is asked this only when a pod is about to be replaced.
func (r *Reconciler) placeFor(ctx context.Context, s *scope, name string, pod *corev1.Pod) error {
	volumes, err := r.boundVolumes(ctx, s, name)
	if err != nil {
		return err
	}
	var nodes corev1.NodeList
	if err := r.Live.List(ctx, &nodes); err != nil {
		return fmt.Errorf("looking for a node that takes %s: %w", name, err)
	}
	why := map[string]string{}
	for i := range nodes.Items {
		node := &nodes.Items[i]
		if why[node.Name] = misfit(pod, node, volumes); why[node.Name] != "" {
			continue
		}
		others, err := r.podsBeside(ctx, s, name, node.Name)
		if err != nil {
			return err
		}
		if why[node.Name] = lacking(pod, node, others); why[node.Name] == "" {
			return nil
		}
	}
	return reconcile.Stalled(v1alpha1.ReasonUnschedulable,
		"no node would take the new pod of %s, so the present one goes on: %s. Change spec.scheduling or spec.resources, or add a node", name, toldTogether(why))
}

// boundVolumes of an instance; a claim that is not bound yet binds it to no node.
func (r *Reconciler) boundVolumes(ctx context.Context, s *scope, name string) ([]corev1.PersistentVolume, error) {
	var volumes []corev1.PersistentVolume
	for _, claim := range s.observed.claims {
		if claim.Labels[naming.LabelInstance] != name || claim.Spec.VolumeName == "" {
			continue
		}
		var volume corev1.PersistentVolume
		if err := r.Live.Get(ctx, client.ObjectKey{Name: claim.Spec.VolumeName}, &volume); err != nil {
			return nil, fmt.Errorf("looking where the volume of %s can be used: %w", claim.Name, err)
		}
		volumes = append(volumes, volume)
	}
	return volumes, nil
}

// podsBeside are the pods of a node, without the one that is to be replaced.
func (r *Reconciler) podsBeside(ctx context.Context, s *scope, name, node string) ([]corev1.Pod, error) {
	var pods corev1.PodList
	if err := r.Live.List(ctx, &pods, client.MatchingFields{"spec.nodeName": node}); err != nil {
		return nil, fmt.Errorf("looking what runs on node %s: %w", node, err)
	}
	others := pods.Items[:0]
	for _, pod := range pods.Items {
		if pod.Namespace != s.cluster.Namespace || pod.Name != name {
			others = append(others, pod)
		}
	}
	return others, nil
}
