package desired

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// preferredWeight of the anti-affinity: the greatest, since keeping instances apart is what it is for.
const preferredWeight = 100

// schedule says on which nodes the pod may run.
func (c Cluster) schedule(spec *corev1ac.PodSpecApplyConfiguration) {
	scheduling := c.Spec.Scheduling
	if len(scheduling.NodeSelector) > 0 {
		spec.WithNodeSelector(scheduling.NodeSelector)
	}
	if scheduling.PriorityClassName != "" {
		spec.WithPriorityClassName(scheduling.PriorityClassName)
	}
	for _, toleration := range scheduling.Tolerations {
		spec.WithTolerations(as[corev1ac.TolerationApplyConfiguration](toleration))
	}
	for _, constraint := range scheduling.TopologySpreadConstraints {
		if constraint.LabelSelector == nil {
			constraint.LabelSelector = selector(instanceSelector(c.Name))
		}
		spec.WithTopologySpreadConstraints(as[corev1ac.TopologySpreadConstraintApplyConfiguration](constraint))
	}
	affinity := corev1ac.Affinity()
	if scheduling.NodeAffinity != nil {
		affinity.WithNodeAffinity(as[corev1ac.NodeAffinityApplyConfiguration](*scheduling.NodeAffinity))
	}
	if apart := c.antiAffinity(); apart != nil {
		affinity.WithPodAntiAffinity(apart)
	}
	if affinity.NodeAffinity != nil || affinity.PodAntiAffinity != nil {
		spec.WithAffinity(affinity)
	}
}

func (c Cluster) antiAffinity() *corev1ac.PodAntiAffinityApplyConfiguration {
	key := c.Spec.Scheduling.AntiAffinity.TopologyKey
	if key == "" {
		key = corev1.LabelHostname
	}
	term := corev1ac.PodAffinityTerm().WithTopologyKey(key).WithLabelSelector(labelSelector(instanceSelector(c.Name)))
	switch c.Spec.Scheduling.AntiAffinity.Type {
	case v1alpha1.AntiAffinityDisabled:
		return nil
	case v1alpha1.AntiAffinityRequired:
		return corev1ac.PodAntiAffinity().WithRequiredDuringSchedulingIgnoredDuringExecution(term)
	default:
		return corev1ac.PodAntiAffinity().WithPreferredDuringSchedulingIgnoredDuringExecution(
			corev1ac.WeightedPodAffinityTerm().WithWeight(preferredWeight).WithPodAffinityTerm(term))
	}
}

// zoneWeight of the preference for zones of their own: below that for nodes.
const zoneWeight = 50

// preferZones adds that instances prefer zones of their own, unless a person has said what keeps them apart.
func (c Cluster) preferZones(spec *corev1ac.PodSpecApplyConfiguration) {
	apart := c.Spec.Scheduling.AntiAffinity
	if apart.Type == v1alpha1.AntiAffinityDisabled || apart.TopologyKey == corev1.LabelTopologyZone {
		return
	}
	if spec.Affinity == nil {
		spec.WithAffinity(corev1ac.Affinity())
	}
	if spec.Affinity.PodAntiAffinity == nil {
		spec.Affinity.WithPodAntiAffinity(corev1ac.PodAntiAffinity())
	}
	spec.Affinity.PodAntiAffinity.WithPreferredDuringSchedulingIgnoredDuringExecution(
		corev1ac.WeightedPodAffinityTerm().WithWeight(zoneWeight).WithPodAffinityTerm(
			corev1ac.PodAffinityTerm().WithTopologyKey(corev1.LabelTopologyZone).WithLabelSelector(labelSelector(instanceSelector(c.Name)))))
}

// as turns an object of the API into the apply configuration of the same JSON shape, which Kubernetes
// generates for every type but does not convert.
func as[To any](from any) *To {
	content, err := json.Marshal(from)
	if err == nil {
		to := new(To)
		if err = json.Unmarshal(content, to); err == nil {
			return to
		}
	}
	// Both are generated from the same type: a failure is a mistake in the program.
	panic(fmt.Sprintf("%T as %T: %v", from, *new(To), err))
}

func selector(labels map[string]string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: labels}
}
