package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

const (
	// refusal by the policy, in its words, and the name of policy and binding.
	refusal    = "nobody may have this budget"
	policyName = "bench-scale"
	// quarantineAfter is in force while clusters are poisoned, in seconds: a measurement does not wait for ten minutes.
	quarantineAfter = 20
	// spoilPatience is how long it may take until all that is poisoned is in quarantine, and until all that is healed is ready.
	spoilPatience = 10 * time.Minute
)

// policy poisons clusters by what users can cause: an admission policy refuses their PodDisruptionBudgets. It is there from the beginning and reads whom it refuses
// from a ConfigMap: the API server compiles a policy whenever it comes or changes. Of a Service that is refused it would count the addresses of all Services.
type policy struct{}

func (policy) prepare(ctx context.Context, b *bench) error {
	for _, object := range append(refusing(), refusedAre("")) {
		if err := b.world.kube.Create(ctx, object); err != nil {
			return err
		}
	}
	// It refuses everything until it has read the ConfigMap.
	return b.until(ctx, "the policy has read whom it refuses", func() (bool, error) {
		err := b.world.kube.Create(ctx, budget(client.ObjectKey{Namespace: operatorNamespace, Name: policyName}), client.DryRunAll)
		return err == nil, nil
	})
}

func (policy) spoil(ctx context.Context, b *bench, clusters []*cluster) error {
	var names strings.Builder
	for _, c := range clusters {
		names.WriteString("[" + c.key.Namespace + "/" + naming.DisruptionBudget(c.key.Name) + "]")
	}
	if err := b.world.kube.Update(ctx, refusedAre(names.String())); err != nil {
		return err
	}
	if err := b.until(ctx, "the policy is in force", func() (bool, error) { return b.refused(ctx, clusters[0]), nil }); err != nil {
		return err
	}
	for _, c := range clusters {
		refused := budget(client.ObjectKey{Namespace: c.key.Namespace, Name: naming.DisruptionBudget(c.key.Name)})
		if err := client.IgnoreNotFound(b.world.kube.Delete(ctx, refused)); err != nil {
			return err
		}
	}
	return nil
}

func (policy) heal(ctx context.Context, b *bench, clusters []*cluster) error {
	if err := b.world.kube.Update(ctx, refusedAre("")); err != nil {
		return err
	}
	// The API server goes by it for a moment still: what is released before goes back into quarantine.
	if err := b.until(ctx, "the policy is lifted", func() (bool, error) { return !b.refused(ctx, clusters[0]), nil }); err != nil {
		return err
	}
	return b.release(ctx, clusters)
}

// refused tells whether the policy refuses the budget of this cluster just now. It is not made.
func (b *bench) refused(ctx context.Context, c *cluster) bool {
	err := b.world.kube.Create(ctx, budget(client.ObjectKey{Namespace: c.key.Namespace, Name: naming.DisruptionBudget(c.key.Name)}), client.DryRunAll)
	return err != nil && strings.Contains(err.Error(), refusal)
}

// budget that would be accepted, but for the policy.
func budget(key client.ObjectKey) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
}

// refusedAre these budgets, each as "[namespace/name]".
func refusedAre(budgets string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: policyName}, Data: map[string]string{"budgets": budgets}}
}

// refusing the budgets that refusedAre names.
func refusing() []client.Object {
	fail, allow := admissionv1.Fail, admissionv1.AllowAction
	return []client.Object{
		&admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: policyName}, Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: &fail,
			ParamKind:     &admissionv1.ParamKind{APIVersion: "v1", Kind: "ConfigMap"},
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{admissionv1.Create},
				Rule:       admissionv1.Rule{APIGroups: []string{policyv1.GroupName}, APIVersions: []string{"v1"}, Resources: []string{"poddisruptionbudgets"}},
			}}}},
			Validations: []admissionv1.Validation{{
				Expression: "!params.data.budgets.contains('[' + object.metadata.namespace + '/' + object.metadata.name + ']')", Message: refusal}},
		}},
		&admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: policyName}, Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: policyName, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			ParamRef: &admissionv1.ParamRef{Namespace: operatorNamespace, Name: policyName, ParameterNotFoundAction: &allow}}},
	}
}

// quarantineSoon has the Platform say so.
func (b *bench) quarantineSoon(ctx context.Context) error {
	seconds := int32(quarantineAfter)
	platform := &platformv1alpha1.Platform{ObjectMeta: metav1.ObjectMeta{Name: platformv1alpha1.SingletonName}, Spec: platformv1alpha1.PlatformSpec{QuarantineAfterSeconds: &seconds}}
	return client.IgnoreAlreadyExists(b.world.kube.Create(ctx, platform))
}

// untilQuarantined all of these are.
func (b *bench) untilQuarantined(ctx context.Context, clusters []*cluster) error {
	return b.until(ctx, "all that is poisoned is in quarantine", func() (bool, error) {
		return b.everyOne(ctx, clusters, func(found *v1alpha1.PostgresCluster) bool { return len(found.Status.Quarantine) > 0 })
	})
}

// release what is in quarantine, and wait until all is ready.
func (b *bench) release(ctx context.Context, clusters []*cluster) error {
	token := fmt.Sprint(time.Now().UnixNano())
	for _, c := range clusters {
		target := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: c.key.Namespace, Name: c.key.Name}}
		patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, naming.AnnotationRelease, token)
		if err := b.world.kube.Patch(ctx, target, client.RawPatch(types.MergePatchType, patch)); err != nil {
			return err
		}
	}
	return b.until(ctx, "all that is healed is ready", func() (bool, error) {
		return b.everyOne(ctx, clusters, func(found *v1alpha1.PostgresCluster) bool {
			return found.Status.Released == token && len(found.Status.Quarantine)+len(found.Status.Failures) == 0 && b.statuses.isReady(client.ObjectKeyFromObject(found), 0)
		})
	})
}

// everyOne tells whether all of these clusters are so.
func (b *bench) everyOne(ctx context.Context, clusters []*cluster, so func(*v1alpha1.PostgresCluster) bool) (bool, error) {
	for _, c := range clusters {
		found := &v1alpha1.PostgresCluster{}
		if err := b.world.kube.Get(ctx, c.key, found); err != nil || !so(found) {
			return false, err
		}
	}
	return true, nil
}

// until something is so.
func (b *bench) until(ctx context.Context, what string, so func() (bool, error)) error {
	for begin := time.Now(); time.Since(begin) < spoilPatience; {
		is, err := so()
		if is || err != nil {
			return err
		}
		if err := pause(ctx, time.Second); err != nil { // the pace of polling
			return err
		}
	}
	return errors.New("not within " + spoilPatience.String() + ": " + what)
}
