package desired

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

var update = flag.Bool("update", false, "write the golden files anew")

// small is the least that a person can write; large uses every field that a builder looks at.
func small() Cluster {
	return Cluster{Name: "demo", Namespace: "default", UID: "1234", Spec: v1alpha1.PostgresClusterSpec{
		Version: "17", Storage: v1alpha1.Storage{Volume: v1alpha1.Volume{Size: resource.MustParse("1Gi")}},
	}}
}

func large() Cluster {
	class, lbClass, local := "fast", "metallb", corev1.ServiceExternalTrafficPolicyLocal
	c := small()
	c.Spec = v1alpha1.PostgresClusterSpec{
		Team: "commerce", Version: "17",
		ImagePullSecrets: []v1alpha1.SecretReference{{Name: "registry"}},
		Storage: v1alpha1.Storage{
			Volume:          v1alpha1.Volume{Size: resource.MustParse("20Gi"), StorageClassName: &class},
			WAL:             &v1alpha1.Volume{Size: resource.MustParse("5Gi")},
			RetentionPolicy: v1alpha1.RetentionPolicy{WhenDeleted: v1alpha1.DeleteVolume},
		},
		Resources: v1alpha1.Resources{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
		},
		Scheduling: v1alpha1.Scheduling{
			NodeSelector:              map[string]string{"postgres": "enabled"},
			NodeAffinity:              &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 1}}},
			AntiAffinity:              v1alpha1.AntiAffinity{Type: v1alpha1.AntiAffinityRequired, TopologyKey: "topology.kubernetes.io/zone"},
			Tolerations:               []corev1.Toleration{{Key: "database", Operator: corev1.TolerationOpExists}},
			TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: "topology.kubernetes.io/zone", WhenUnsatisfiable: corev1.DoNotSchedule}},
			PriorityClassName:         "database",
		},
		Services: v1alpha1.Services{Primary: v1alpha1.ServiceTemplate{
			Type: corev1.ServiceTypeLoadBalancer, LoadBalancerSourceRanges: []string{"10.0.0.0/8"}, LoadBalancerClass: &lbClass,
			ExternalTrafficPolicy: &local, Annotations: map[string]string{"dns": "orders.example"},
		}},
		Metadata: v1alpha1.ChildMetadata{Labels: map[string]string{"cost-centre": "7"}, Annotations: map[string]string{"note": "kept"}},
	}
	return c
}

func TestObjectsAreAsTheirGoldenFiles(t *testing.T) {
	in := PodInput{Instance: "demo-1", PostgresImage: "postgres:17", ManagerImage: "timonier:1"}
	zones := in
	zones.PreferZones = true
	for name, object := range map[string]any{
		"pod-small":       Pod(small(), in),
		"pod-large":       Pod(large(), in),
		"pod-zones":       Pod(small(), zones),
		"pod-image-check": ImageCheckPod(large(), in),
		"pod-metadata":    PodMetadata(large(), "demo-1", "primary", "0123456789abcdef"),
		"volumes-small":   VolumeClaims(small(), "demo-1", ""),
		"volumes-large":   VolumeClaims(large(), "demo-1", "7711010913629491224"),
		"service-rw":      PrimaryService(large()),
		"service-ro":      ReplicaService(small()),
		"service-pods":    PodsService(small()),
		"endpointslice":   EndpointSlice(small(), naming.PrimaryService("demo")),
		"permissions":     []any{ServiceAccount(small()), Role(small()), RoleBinding(small())},
		"budget":          DisruptionBudget(small(), 3),
		"lease":           Lease(small(), map[string]string{"timonier.io/system": "bootstrap=demo-1"}),
		"secret":          Secret(small(), "demo-app", ComponentCredentials, map[string][]byte{"username": []byte("app")}),
	} {
		t.Run(name, func(t *testing.T) { compareGolden(t, name, object) })
	}
}

func compareGolden(t *testing.T, name string, object any) {
	t.Helper()
	got, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name+".yaml")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; `go test ./internal/desired -update` writes it", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("differs from %s (-want +got); `go test ./internal/desired -update` if this is meant:\n%s", path, diff)
	}
}

func hash(c Cluster, in PodInput) string {
	return Pod(c, in).Annotations[naming.AnnotationPodHash]
}

func TestPodHashTellsWhatReplacesAPod(t *testing.T) {
	in := PodInput{Instance: "demo-1", PostgresImage: "postgres:17.1", ManagerImage: "timonier:1"}
	base := hash(small(), in)

	manager := in
	manager.ManagerImage = "timonier:2"
	if hash(small(), manager) != base {
		t.Error("another operator replaces pods: an upgrade of the operator would restart every database")
	}
	zones := in
	zones.PreferZones = true
	if hash(small(), zones) != base {
		t.Error("the preference for other zones replaces pods")
	}
	if one := Pod(large(), zones).Spec.Affinity.PodAntiAffinity; len(one.PreferredDuringSchedulingIgnoredDuringExecution) != 0 {
		t.Errorf("a person has said what keeps instances apart, and is not heard: %+v", one)
	}
	labelled := small()
	labelled.Spec.Metadata.Labels = map[string]string{"a": "b"}
	labelled.Spec.Team = "other"
	labelled.Spec.Storage.Size = resource.MustParse("2Gi")
	if hash(labelled, in) != base {
		t.Error("labels, team or a growing volume replace pods")
	}
	image := in
	image.PostgresImage = "postgres:17.2"
	if hash(small(), image) == base {
		t.Error("another image does not replace pods")
	}
	resources := small()
	resources.Spec.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")}
	if hash(resources, in) == base {
		t.Error("other resources do not replace pods")
	}
}
