package postgrescluster

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

func amounts(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

// asking is a pod with these requests.
func asking(cpu, memory string, change func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: amounts(cpu, memory)}}}}}
	if change != nil {
		change(pod)
	}
	return pod
}

func offering(cpu, memory string, change func(*corev1.Node)) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", Labels: map[string]string{"disk": "fast"}}}
	node.Status.Allocatable = amounts(cpu, memory)
	node.Status.Allocatable[corev1.ResourcePods] = resource.MustParse("3")
	if change != nil {
		change(node)
	}
	return node
}

func boundTo(disk string) corev1.PersistentVolume {
	return corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}, Spec: corev1.PersistentVolumeSpec{NodeAffinity: &corev1.VolumeNodeAffinity{
		Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
			{Key: "disk", Operator: corev1.NodeSelectorOpIn, Values: []string{disk}},
		}}}}}}}
}

func TestANodeThatCannotTakeAPodIsToldWithTheFieldThatSaysSo(t *testing.T) {
	selects := func(disk string) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": disk} }
	}
	cordoned := func(n *corev1.Node) {
		n.Spec.Taints = []corev1.Taint{{Key: "reserved", Value: "yes", Effect: corev1.TaintEffectNoSchedule}}
	}
	rather := func(n *corev1.Node) {
		n.Spec.Taints = []corev1.Taint{{Key: "reserved", Effect: corev1.TaintEffectPreferNoSchedule}}
	}
	tolerates := func(p *corev1.Pod) {
		p.Spec.Tolerations = []corev1.Toleration{{Key: "reserved", Operator: corev1.TolerationOpExists}}
	}
	spreads := func(key string, when corev1.UnsatisfiableConstraintAction) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{TopologyKey: key, WhenUnsatisfiable: when}}
		}
	}
	for name, tc := range map[string]struct {
		pod     *corev1.Pod
		node    *corev1.Node
		volumes []corev1.PersistentVolume
		want    string // a part of the message; "" for a node that fits
	}{
		"it fits":                                       {asking("1", "1Gi", selects("fast")), offering("1", "1Gi", nil), []corev1.PersistentVolume{boundTo("fast"), {}}, ""},
		"the selector names no such node":               {asking("1", "1Gi", selects("slow")), offering("1", "1Gi", nil), nil, "nodeSelector"},
		"a taint is not tolerated":                      {asking("1", "1Gi", nil), offering("1", "1Gi", cordoned), nil, "reserved=yes:NoSchedule"},
		"a taint is tolerated":                          {asking("1", "1Gi", tolerates), offering("1", "1Gi", cordoned), nil, ""},
		"a taint that only prefers":                     {asking("1", "1Gi", nil), offering("1", "1Gi", rather), nil, ""},
		"it is spread over a label that the node lacks": {asking("1", "1Gi", spreads("rack", corev1.DoNotSchedule)), offering("1", "1Gi", nil), nil, "label rack"},
		"it is spread over a label that the node has":   {asking("1", "1Gi", spreads("disk", corev1.DoNotSchedule)), offering("1", "1Gi", nil), nil, ""},
		"it would rather be spread":                     {asking("1", "1Gi", spreads("rack", corev1.ScheduleAnyway)), offering("1", "1Gi", nil), nil, ""},
		"the volume is bound to another":                {asking("1", "1Gi", nil), offering("1", "1Gi", nil), []corev1.PersistentVolume{boundTo("slow")}, "volume pv"},
		"more CPU than the node has":                    {asking("1500m", "1Gi", nil), offering("1", "1Gi", nil), nil, "1500m of cpu"},
		"more memory than the node has":                 {asking("1", "2Gi", nil), offering("1", "1Gi", nil), nil, "2Gi of memory"},
		"something that the node has never":             {asking("0", "0", func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Requests["gpu"] = resource.MustParse("1") }), offering("1", "1Gi", nil), nil, "1 of gpu"},
	} {
		got := misfit(tc.pod, tc.node, tc.volumes)
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want it to tell of %q", name, got, tc.want)
		}
	}
}

func TestPodsBesideTakeWhatANodeHas(t *testing.T) {
	priority := func(n int32) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Spec.Priority = &n } }
	done := func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }
	for name, tc := range map[string]struct {
		others []corev1.Pod
		want   string
	}{
		"nobody":                         {nil, ""},
		"room for both":                  {[]corev1.Pod{*asking("500m", "1Gi", nil)}, ""},
		"no room for both":               {[]corev1.Pod{*asking("1", "1Gi", nil)}, "of cpu"},
		"one of a lower priority":        {[]corev1.Pod{*asking("1", "1Gi", priority(-1))}, ""},
		"one of a higher priority":       {[]corev1.Pod{*asking("1", "1Gi", priority(1))}, "of cpu"},
		"one that has ended":             {[]corev1.Pod{*asking("1", "1Gi", done)}, ""},
		"as many pods as the node takes": {[]corev1.Pod{*asking("0", "0", nil), *asking("0", "0", nil), *asking("0", "0", nil)}, "as many pods"},
	} {
		got := lacking(asking("1", "1Gi", nil), offering("1500m", "2Gi", nil), tc.others)
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want it to tell of %q", name, got, tc.want)
		}
	}
}

func TestNodesThatSayTheSameAreToldTogether(t *testing.T) {
	got := toldTogether(map[string]string{"n3": "full", "n1": "full", "n2": "tainted"})
	if want := "n1 and 1 more: full; n2: tainted"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := toldTogether(nil); got != "there are no nodes" {
		t.Error(got)
	}
}

func TestMembersPreferZonesOfTheirOwnWhereACommitDoesNotWaitForAllStandbys(t *testing.T) {
	for _, tc := range []struct {
		instances, standbys int32
		want                bool
	}{{3, 1, true}, {3, 2, false}, {2, 1, false}, {5, 2, true}, {5, 4, false}} {
		cluster := &v1alpha1.PostgresCluster{Spec: v1alpha1.PostgresClusterSpec{Instances: &tc.instances, Availability: v1alpha1.Availability{SynchronousStandbys: &tc.standbys}}}
		s := newScope(cluster, time.Unix(1000, 0))
		if got := (&Reconciler{}).podInput(s, "c-1").PreferZones; got != tc.want {
			t.Errorf("of %d instances with %d synchronous standbys: %v", tc.instances, tc.standbys, got)
		}
	}
}
