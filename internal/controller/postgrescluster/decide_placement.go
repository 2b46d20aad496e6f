package postgrescluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelpers "k8s.io/component-helpers/resource"
	scheduling "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// misfit is why a node cannot take a pod, whoever else runs there, in the words of the spec; "" where it can. The volumes
// are those that the pod is bound to.
func misfit(pod *corev1.Pod, node *corev1.Node, volumes []corev1.PersistentVolume) string {
	if fits, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(node); err != nil || !fits {
		return "spec.scheduling's nodeSelector or nodeAffinity excludes it"
	}
	hard := func(taint *corev1.Taint) bool { return taint.Effect != corev1.TaintEffectPreferNoSchedule }
	if taint, found := scheduling.FindMatchingUntoleratedTaint(logr.Discard(), node.Spec.Taints, pod.Spec.Tolerations, hard, false); found {
		return "spec.scheduling.tolerations has nothing for its taint " + taint.ToString()
	}
	for _, constraint := range pod.Spec.TopologySpreadConstraints {
		if _, labelled := node.Labels[constraint.TopologyKey]; !labelled && constraint.WhenUnsatisfiable == corev1.DoNotSchedule {
			return "it lacks the label " + constraint.TopologyKey + " of spec.scheduling.topologySpreadConstraints"
		}
	}
	for i := range volumes {
		affinity := volumes[i].Spec.NodeAffinity
		if affinity == nil || affinity.Required == nil {
			continue
		}
		if reaches, err := scheduling.MatchNodeSelectorTerms(node, affinity.Required); err != nil || !reaches {
			return "the volume " + volumes[i].Name + " cannot be used there"
		}
	}
	return lacking(pod, node, nil)
}

// lacking is what a node has too little of for a pod beside these others; "" where it has enough. Others of a lower priority
// do not count: they would give way.
func lacking(pod *corev1.Pod, node *corev1.Node, others []corev1.Pod) string {
	free := maps.Clone(node.Status.Allocatable)
	take := func(name corev1.ResourceName, amount resource.Quantity) bool {
		left := free[name]
		left.Sub(amount)
		free[name] = left
		return left.Sign() >= 0
	}
	one := *resource.NewQuantity(1, resource.DecimalSI)
	for i := range others {
		other := &others[i]
		over := other.Status.Phase == corev1.PodSucceeded || other.Status.Phase == corev1.PodFailed
		if over || scheduling.PodPriority(other) < scheduling.PodPriority(pod) {
			continue
		}
		take(corev1.ResourcePods, one)
		for name, amount := range resourcehelpers.PodRequests(other, resourcehelpers.PodResourcesOptions{}) {
			take(name, amount)
		}
	}
	if !take(corev1.ResourcePods, one) {
		return "it runs as many pods as it may"
	}
	requests := resourcehelpers.PodRequests(pod, resourcehelpers.PodResourcesOptions{})
	for _, name := range slices.Sorted(maps.Keys(requests)) {
		if amount := requests[name]; !amount.IsZero() && !take(name, amount) {
			return fmt.Sprintf("it has less than the %s of %s that are asked for", amount.String(), name)
		}
	}
	return ""
}

// toldTogether joins why each node does not fit, counting those that say the same.
func toldTogether(why map[string]string) string {
	if len(why) == 0 {
		return "there are no nodes"
	}
	nodes := map[string][]string{}
	for node, reason := range why {
		nodes[reason] = append(nodes[reason], node)
	}
	var told []string
	for _, reason := range slices.Sorted(maps.Keys(nodes)) {
		slices.Sort(nodes[reason])
		who := nodes[reason][0]
		if more := len(nodes[reason]) - 1; more > 0 {
			who += fmt.Sprintf(" and %d more", more)
		}
		told = append(told, who+": "+reason)
	}
	return strings.Join(told, "; ")
}
