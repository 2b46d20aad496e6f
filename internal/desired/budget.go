package desired

import (
	"k8s.io/apimachinery/pkg/util/intstr"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"

	"github.com/timonier-io/timonier/internal/naming"
)

// DisruptionBudget lets a drain stop one instance at a time. It counts what must stay, since Kubernetes can
// count what may go only for pods of its own controllers. Ask for it with two instances or more: with one it
// would keep a drain from ever ending.
func DisruptionBudget(c Cluster, instances int) *policyv1ac.PodDisruptionBudgetApplyConfiguration {
	return policyv1ac.PodDisruptionBudget(naming.DisruptionBudget(c.Name), c.Namespace).
		WithLabels(c.labels(nil)).WithAnnotations(c.annotations(nil)).WithOwnerReferences(c.owner()).
		WithSpec(policyv1ac.PodDisruptionBudgetSpec().
			WithMinAvailable(intstr.FromInt(instances - 1)).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(instanceSelector(c.Name))))
}
