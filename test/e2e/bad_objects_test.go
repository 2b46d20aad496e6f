//go:build e2e

package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

func TestAStorageClassThatIsMissingIsSaidAndNoVolumeIsMade(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("classless", onClass("no-such-class"))
	c.waitStalled(v1alpha1.ReasonStorageClass, "spec.storage.storageClassName", "no-such-class", "kubectl get storageclass")
	if volumes := c.volumes(); len(volumes) > 0 {
		t.Errorf("volumes were made: %v", volumes)
	}
}

func TestPodsThatNoNodeTakesAreSaidWhileTheOthersServe(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("placed", instances(2))
	c.waitReady()
	w := c.underLoad()
	// A third and a fourth on three nodes, each on one of its own.
	c.edit(func(s *spec) { s.Scheduling.AntiAffinity.Type = v1alpha1.AntiAffinityRequired })
	c.waitReady()
	c.edit(instances(4))
	c.waitStalled(v1alpha1.ReasonUnschedulable, "spec.scheduling")
	// For a second it may not be, as the third one becomes a member: standbys connect anew then.
	eventually(t, saidWithin, "it takes writes", func() error { return c.says(v1alpha1.ConditionAvailable, v1alpha1.ReasonWriting) })
	c.edit(instances(2))
	c.waitReady()
	// Making the anti-affinity strict replaced both pods.
	w.finish(1)
}

func TestASoleInstanceGoesOnWhereNoNodeWouldTakeItsNewPod(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("sole", instances(1))
	c.waitReady()
	before := c.pod(c.instance(1)).UID
	w := c.underLoad()
	c.edit(func(s *spec) { s.Scheduling.NodeSelector = map[string]string{"disk": "of-no-node"} })
	c.waitStalled(v1alpha1.ReasonUnschedulable, "spec.scheduling", "nodeSelector")
	asked := c.mustGet().Spec.Resources.Requests
	c.edit(func(s *spec) {
		s.Scheduling.NodeSelector = nil
		s.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("900")}
	})
	c.waitStalled(v1alpha1.ReasonUnschedulable, "spec.resources", "900 of cpu")
	if problem := c.says(v1alpha1.ConditionAvailable, v1alpha1.ReasonWriting); problem != nil {
		t.Error(problem)
	}
	c.edit(func(s *spec) { s.Resources.Requests = asked })
	c.waitReady()
	if after := c.pod(c.instance(1)).UID; after != before {
		t.Errorf("the pod was replaced although no node would have taken another: %s, before %s", after, before)
	}
	w.finish(0)
}

func TestANameThatIsTakenBySomebodyElseIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "ours-rw", Labels: map[string]string{"mine": "yes"}},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
	s.make(service)
	s.secret("ours-app", map[string]string{"password": "somebody else's"})

	c := s.create("ours", instances(1))
	c.waitStalled(v1alpha1.ReasonNameTaken, "ours-rw")
	found := &corev1.Service{}
	s.mustFind("ours-rw", found)
	if found.UID != service.UID || found.Labels["mine"] != "yes" || found.Labels[naming.LabelCluster] != "" || len(found.OwnerReferences) > 0 || found.Spec.Ports[0].Port != 80 {
		t.Errorf("the Service was changed: %+v", found)
	}
	if err := kube.Delete(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	c.waitStalled(v1alpha1.ReasonNameTaken, "ours-app")
	secret := &corev1.Secret{}
	s.mustFind("ours-app", secret)
	if string(secret.Data["password"]) != "somebody else's" || len(secret.OwnerReferences) > 0 || len(secret.Data) != 1 {
		t.Error("the Secret was changed")
	}
	if err := kube.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	c.waitReady()
}

func TestWhatTheSchemaRefusesSaysWhatToWriteInstead(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	for what, attempt := range map[string]struct {
		name   string
		change func(*spec)
		answer string
	}{
		"a name that is too long": {strings.Repeat("x", 41), func(*spec) {}, "at most 40 characters"},
		"an unknown version":      {"a", func(s *spec) { s.Version = "16" }, `"17"`},
		"a tiny volume":           {"b", func(s *spec) { s.Storage.Size.Set(1 << 20) }, "at least 300Mi"},
		"a role that is there twice": {"c", func(s *spec) {
			s.Roles = []v1alpha1.Role{{Name: "twin"}, {Name: "twin"}}
		}, "Duplicate value"},
		"more instances than there can be": {"d", instances(10), "less than or equal to 9"},
		"source ranges without a load balancer": {"e", func(s *spec) {
			s.Services.Primary = v1alpha1.ServiceTemplate{Type: corev1.ServiceTypeClusterIP, LoadBalancerSourceRanges: []string{"10.0.0.0/8"}}
		}, "only for type LoadBalancer"},
	} {
		wanted := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Name: attempt.name, Namespace: s.name}, Spec: small()}
		attempt.change(&wanted.Spec)
		if problem := refusedWith(kube.Create(t.Context(), wanted), attempt.answer); problem != nil {
			t.Errorf("%s: %v", what, problem)
		}
	}
}
