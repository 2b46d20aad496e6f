//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// waitManaged until the condition Managed has this status and reason, for the present spec.
func (c *cluster) waitManaged(status metav1.ConditionStatus, reason string) {
	c.t.Helper()
	eventually(c.t, saidWithin, fmt.Sprintf("Managed is %s, %s", status, reason), func() error {
		found, err := c.get()
		if err != nil {
			return err
		}
		condition := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionManaged)
		if condition == nil || condition.Status != status || condition.Reason != reason || found.Status.ObservedGeneration != found.Generation {
			return errors.New(told(found.Status.Conditions))
		}
		return nil
	})
}

// setPort of one of the cluster's Services, as a person would by hand.
func (c *cluster) setPort(service string, number int32) {
	c.t.Helper()
	found := &corev1.Service{}
	c.mustFind(service, found)
	changed := found.DeepCopy()
	changed.Spec.Ports[0].Port = number
	if err := kube.Patch(c.t.Context(), changed, client.MergeFrom(found)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) port(service string) int32 {
	c.t.Helper()
	found := &corev1.Service{}
	c.mustFind(service, found)
	return found.Spec.Ports[0].Port
}

func TestAClusterThatIsLeftAloneFailsOverStaysAsItWasMadeByHandAndIsMendedOnceHandedBack(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("byhand")
	c.waitReady()
	former, replicas := c.primary(), naming.ReplicaService(c.name)
	c.edit(func(s *spec) { s.ManagementState = contract.Unmanaged })
	c.waitManaged(metav1.ConditionFalse, v1alpha1.ReasonUnmanaged)
	for _, pod := range c.instancePods() {
		if role := pod.Labels[naming.LabelRole]; role != "" {
			t.Errorf("pod %s has the role %q, which nobody keeps true", pod.Name, role)
		}
	}
	c.setPort(replicas, 15432)
	w := c.underLoad()
	if err := kube.Delete(t.Context(), c.pod(former), client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	eventually(t, readyWithin, "another one leads, and the status says so", func() error {
		found, err := c.get()
		if err == nil && (found.Status.Primary == "" || found.Status.Primary == former) {
			err = fmt.Errorf("the primary is %q", found.Status.Primary)
		}
		return err
	})
	eventually(t, saidWithin, "2 of 3, hands off", func() error { return c.says(v1alpha1.ConditionDegraded, v1alpha1.ReasonHandsOff, "2 of 3, hands off") })
	eventually(t, saidWithin, "it takes writes", func() error { return c.says(v1alpha1.ConditionAvailable, v1alpha1.ReasonWriting) })
	w.finish(1)
	if c.port(replicas) != 15432 || len(c.instancePods()) != 2 {
		t.Errorf("it was not left alone: port %d, %d pods", c.port(replicas), len(c.instancePods()))
	}

	c.edit(func(s *spec) { s.ManagementState, s.ResumePolicy = contract.Managed, contract.Report })
	c.waitManaged(metav1.ConditionFalse, v1alpha1.ReasonDriftReported)
	drift := c.mustGet().Status.Management.Drift
	for _, wanted := range []contract.Drift{{Kind: "Service", Name: replicas}, {Kind: "Pod", Name: former}} {
		if !slices.ContainsFunc(drift, func(d contract.Drift) bool { return d.Kind == wanted.Kind && d.Name == wanted.Name }) {
			t.Errorf("the drift does not tell of %s/%s: %+v", wanted.Kind, wanted.Name, drift)
		}
	}
	if c.port(replicas) != 15432 || len(c.instancePods()) != 2 {
		t.Error("it was mended, although what differs was only to be reported")
	}
	c.edit(func(s *spec) { s.ResumePolicy = contract.Enforce })
	c.waitReady()
	if c.port(replicas) != naming.PortPostgres {
		t.Errorf("the port is %d", c.port(replicas))
	}
}

// platform makes the Platform, which is the whole Kubernetes cluster's: one test alone has it. What it says is changed by says, and it goes at the end.
func (s *space) platform(spec platformv1alpha1.PlatformSpec) (says func(platformv1alpha1.PlatformSpec)) {
	s.t.Helper()
	platform := &platformv1alpha1.Platform{ObjectMeta: metav1.ObjectMeta{Name: platformv1alpha1.SingletonName}, Spec: spec}
	if err := kube.Create(s.t.Context(), platform); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := kube.Delete(context.Background(), platform); err != nil {
			s.t.Error(err)
		}
	})
	return func(spec platformv1alpha1.PlatformSpec) {
		s.t.Helper()
		patched := &platformv1alpha1.Platform{ObjectMeta: metav1.ObjectMeta{Name: platform.Name}, TypeMeta: metav1.TypeMeta{APIVersion: platformv1alpha1.GroupVersion.String(), Kind: "Platform"}}
		if err := kube.Get(s.t.Context(), client.ObjectKeyFromObject(platform), patched); err != nil {
			s.t.Fatal(err)
		}
		before := patched.DeepCopy()
		patched.Spec = spec
		if err := kube.Patch(s.t.Context(), patched, client.MergeFrom(before)); err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestThePlatformLeavesOneServiceAloneAndSaysWhenWhatKeepsFailingIsSuspended(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	c := s.create("platform", instances(2))
	c.waitReady()
	primary, replicas := naming.PrimaryService(c.name), naming.ReplicaService(c.name)
	says := s.platform(platformv1alpha1.PlatformSpec{Overrides: []contract.Override{{Kind: "Service", Namespace: s.name, Name: replicas, Unmanaged: true}}})
	eventually(t, saidWithin, "an upgrade is prevented", func() error {
		platform := &platformv1alpha1.Platform{}
		if err := kube.Get(t.Context(), client.ObjectKey{Name: platformv1alpha1.SingletonName}, platform); err != nil {
			return err
		}
		condition := meta.FindStatusCondition(platform.Status.Conditions, platformv1alpha1.ConditionUpgradeable)
		if condition == nil || condition.Status != metav1.ConditionFalse || !strings.Contains(condition.Message, replicas) {
			return errors.New(told(platform.Status.Conditions))
		}
		return nil
	})
	c.setPort(replicas, 15432)
	c.setPort(primary, 15432)
	c.waitPutBack(primary)
	if c.port(replicas) != 15432 {
		t.Error("the Service that is to be left alone was put back")
	}

	seconds := int32(20)
	says(platformv1alpha1.PlatformSpec{QuarantineAfterSeconds: &seconds})
	c.waitPutBack(replicas)
	lift := s.forbidService(replicas)
	service := &corev1.Service{}
	c.mustFind(replicas, service)
	if err := kube.Delete(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	eventually(t, 3*time.Minute, "it is in quarantine", func() error {
		return c.says(v1alpha1.ConditionQuarantined, v1alpha1.ReasonRetriesExhausted, "kubectl timonier release "+c.name)
	})
	lost := c.pod(c.standbys()[0])
	if err := kube.Delete(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	c.mustBeReplaced(lost)
	c.mustStream(lost.Name)
	lift()
	c.mustDo("release")
	c.waitReady()
}

// waitPutBack until a Service has the port that it is to have.
func (c *cluster) waitPutBack(service string) {
	c.t.Helper()
	eventually(c.t, saidWithin, service+" is put back", func() error {
		if number := c.port(service); number != naming.PortPostgres {
			return fmt.Errorf("its port is %d", number)
		}
		return nil
	})
}

// forbidService has an admission policy refuse a Service of this name in this namespace, until it is lifted.
func (s *space) forbidService(name string) (lift func()) {
	s.t.Helper()
	fail := admissionv1.Fail
	unique := s.name + "-" + name
	policy := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: unique}, Spec: admissionv1.ValidatingAdmissionPolicySpec{
		FailurePolicy: &fail,
		MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
			Operations: []admissionv1.OperationType{admissionv1.Create},
			Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"services"}},
		}}}},
		Validations: []admissionv1.Validation{{Expression: fmt.Sprintf("object.metadata.namespace != %q || object.metadata.name != %q", s.name, name), Message: "nobody may have this Service"}},
	}}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: unique}, Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: unique, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
	}}
	for _, object := range []client.Object{policy, binding} {
		if err := kube.Create(s.t.Context(), object); err != nil {
			s.t.Fatal(err)
		}
	}
	refused := func() error {
		return kube.Create(s.t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: name}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}, client.DryRunAll)
	}
	is := func(wanted bool) func() error {
		return func() error {
			if err := refused(); (err != nil && strings.Contains(err.Error(), "nobody may have")) != wanted {
				return fmt.Errorf("making the Service: %w", err)
			}
			return nil
		}
	}
	eventually(s.t, saidWithin, "the policy is in force", is(true))
	lifted := false
	remove := func() {
		if lifted {
			return
		}
		lifted = true
		for _, object := range []client.Object{binding, policy} {
			if err := kube.Delete(context.Background(), object); err != nil {
				s.t.Error(err)
			}
		}
	}
	s.t.Cleanup(remove)
	return func() {
		remove()
		eventually(s.t, saidWithin, "the policy is lifted", is(false))
	}
}
