package postgrescluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// findDrift of the children of these names, or of all that no override leaves alone. What the instances write themselves is not compared.
func (r *Reconciler) findDrift(ctx context.Context, s *scope, children []string) ([]contract.Drift, error) {
	asked := func(kind, name string) bool {
		if len(children) > 0 {
			return slices.Contains(children, kind+"/"+name)
		}
		return s.alone(kind, name) == ""
	}
	drift, err := r.appliedDrift(ctx, s, asked)
	if err != nil {
		return nil, err
	}
	for _, find := range []func(context.Context, *scope, func(kind, name string) bool) ([]contract.Drift, error){r.secretDrift, r.podDrift, volumesMissing} {
		found, err := find(ctx, s, asked)
		if err != nil {
			return nil, err
		}
		drift = append(drift, found...)
	}
	return append(drift, s.surplus(asked)...), nil
}

// appliedDrift of the objects that phases apply.
func (r *Reconciler) appliedDrift(ctx context.Context, s *scope, asked func(kind, name string) bool) ([]contract.Drift, error) {
	var drift []contract.Drift
	for _, object := range r.appliedChildren(s) {
		kind, name, err := identity(object)
		if err != nil {
			return nil, err
		}
		if !asked(kind, name) {
			continue
		}
		found, err := r.applier().Drift(ctx, s.owner, object)
		if err != nil {
			return nil, err
		}
		drift = append(drift, found...)
	}
	return drift, nil
}

// identity of what would be applied.
func identity(object runtime.ApplyConfiguration) (kind, name string, err error) {
	var meta metav1.PartialObjectMetadata
	content, err := json.Marshal(object)
	if err == nil {
		err = json.Unmarshal(content, &meta)
	}
	if err != nil {
		return "", "", fmt.Errorf("reading back %T: %w", object, err)
	}
	return meta.Kind, meta.Name, nil
}

// appliedChildren are the objects that phases apply, as they would now.
func (r *Reconciler) appliedChildren(s *scope) []runtime.ApplyConfiguration {
	all := slices.Concat(networkObjects(s), permissionObjects(s), existingVolumes(s), []runtime.ApplyConfiguration{desired.Lease(s.desired, nil)})
	if wanted := s.instancesWanted(); wanted > 1 {
		all = append(all, desired.DisruptionBudget(s.desired, wanted))
	}
	return all
}

// podDrift compares pods in what Timonier keeps of a running one, its labels and annotations, and in what a person may change of it: images and resources.
func (r *Reconciler) podDrift(ctx context.Context, s *scope, asked func(kind, name string) bool) ([]contract.Drift, error) {
	var drift []contract.Drift
	for _, name := range s.names(s.members.run) {
		if !asked(kindPod, name) {
			continue
		}
		// The cache need not have all of a pod.
		pod := &corev1.Pod{}
		err := r.Live.Get(ctx, s.key(name), pod)
		if apierrors.IsNotFound(err) {
			drift = append(drift, reconcile.Missing(kindPod, name))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading pod %s: %w", name, err)
		}
		found, err := r.driftOfPod(ctx, s, pod)
		if err != nil {
			return nil, err
		}
		drift = append(drift, found...)
	}
	return drift, nil
}

func (r *Reconciler) driftOfPod(ctx context.Context, s *scope, pod *corev1.Pod) ([]contract.Drift, error) {
	metadata := desired.PodMetadata(s.desired, pod.Name, "", pod.Annotations[naming.AnnotationPodHash])
	found := map[string]any{"metadata": map[string]any{"labels": only(pod.Labels, metadata.Labels), "annotations": only(pod.Annotations, metadata.Annotations)}}
	wanted := map[string]any{"metadata": map[string]any{"labels": metadata.Labels, "annotations": metadata.Annotations}}
	if s.image != "" {
		becomes := &corev1.Pod{}
		err := r.applier().Try(ctx, desired.Pod(s.desired, r.podInput(s, pod.Name)), becomes)
		switch {
		case err == nil:
			found["spec"], wanted["spec"] = containersOf(pod, becomes), containersOf(becomes, becomes)
		case !strings.Contains(err.Error(), "exceeded quota"): // which counts the present pod too, so that it says nothing
			return reconcile.Refused(kindPod, pod.Name, err)
		}
	}
	return reconcile.Compare(kindPod, pod.Name, found, wanted)
}

// only those of the labels or annotations that are wanted, under whatever value.
func only(have, wanted map[string]string) map[string]string {
	kept := map[string]string{}
	for key := range wanted {
		if value, ok := have[key]; ok {
			kept[key] = value
		}
	}
	return kept
}

// containersOf a pod, of those that another one has too: their images and resources.
func containersOf(pod, like *corev1.Pod) map[string]any {
	all := func(p *corev1.Pod) []corev1.Container { return slices.Concat(p.Spec.InitContainers, p.Spec.Containers) }
	containers := map[string]any{}
	for _, wanted := range all(like) {
		for _, container := range all(pod) {
			if container.Name == wanted.Name {
				containers[container.Name] = map[string]any{"image": container.Image, "resources": container.Resources}
			}
		}
	}
	return map[string]any{"containers": containers}
}

// volumesMissing are those that would be made, empty. Of one that is there appliedDrift tells.
func volumesMissing(_ context.Context, s *scope, asked func(kind, name string) bool) ([]contract.Drift, error) {
	var drift []contract.Drift
	for _, instance := range s.names(s.members.run) {
		for _, claim := range desired.VolumeClaims(s.desired, instance, "") {
			if s.observed.claims[*claim.Name] == nil && asked(kindVolume, *claim.Name) {
				drift = append(drift, reconcile.Missing(kindVolume, *claim.Name))
			}
		}
	}
	return drift, nil
}

// surplus are children that are the cluster's and are not wanted. Pods are taken away as by a scale-down, Secrets of roles that are gone too, and Services are left.
func (s *scope) surplus(asked func(kind, name string) bool) []contract.Drift {
	var drift []contract.Drift
	find := func(kind string, there, wanted []string) {
		for _, name := range there {
			if !slices.Contains(wanted, name) && asked(kind, name) {
				drift = append(drift, reconcile.Surplus(kind, name))
			}
		}
	}
	name := s.cluster.Name
	find("Service", sortedKeys(s.observed.services), []string{naming.PodsService(name), naming.PrimaryService(name), naming.ReplicaService(name)})
	find(kindPod, sortedKeys(s.observed.pods), s.names(s.members.run))
	find(kindSecret, sortedKeys(s.observed.secrets), s.wantedSecrets())
	return drift
}
