package platform

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/platform/v1alpha1"
	postgresv1alpha1 "github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

func cluster(name string, status postgresv1alpha1.PostgresClusterStatus) postgresv1alpha1.PostgresCluster {
	return postgresv1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: name}, Status: status}
}

func TestWhatIsLeftAlonePreventsAnUpgradeAndIsNamed(t *testing.T) {
	spec := v1alpha1.PlatformSpec{Overrides: []contract.Override{{Kind: "Service", Namespace: "sales", Name: "till-rw", Unmanaged: true}, {Kind: "Secret"}}}
	blocking := blockers(spec, []postgresv1alpha1.PostgresCluster{
		cluster("shop", postgresv1alpha1.PostgresClusterStatus{ManagementState: contract.Unmanaged, Management: postgresv1alpha1.ManagementStatus{By: "spec.managementState"}}),
		cluster("till", postgresv1alpha1.PostgresClusterStatus{ManagementState: contract.Managed, Management: postgresv1alpha1.ManagementStatus{LeftAlone: []string{"Service/till-rw"}}}),
		cluster("mail", postgresv1alpha1.PostgresClusterStatus{ManagementState: contract.Managed}),
	})
	condition := upgradeable(blocking, 3)
	if condition.Status != metav1.ConditionFalse || condition.Reason != v1alpha1.ReasonManagementOverridesSet || condition.ObservedGeneration != 3 {
		t.Errorf("the condition is %+v", condition)
	}
	for _, named := range []string{"Disabling ownership through overrides prevents upgrades", "Service sales/till-rw", "PostgresCluster sales/shop is left alone, by spec.managementState", "Service/till-rw of PostgresCluster sales/till"} {
		if !strings.Contains(condition.Message, named) {
			t.Errorf("it does not name %q: %s", named, condition.Message)
		}
	}
	if len(blocking) != 3 {
		t.Errorf("it names %v", blocking)
	}
}

func TestWhereAllIsManagedAnUpgradeIsPossible(t *testing.T) {
	blocking := blockers(v1alpha1.PlatformSpec{}, []postgresv1alpha1.PostgresCluster{cluster("shop", postgresv1alpha1.PostgresClusterStatus{ManagementState: contract.Managed})})
	if condition := upgradeable(blocking, 1); condition.Status != metav1.ConditionTrue || condition.Reason != v1alpha1.ReasonNothingBlocks {
		t.Errorf("the condition is %+v", condition)
	}
}

func TestTheOperatorIsDegradedByWhatMostResourcesOfAKindFailBy(t *testing.T) {
	if condition := degraded(nil, 1); condition != nil {
		t.Errorf("nothing is shared, and it is %+v", condition)
	}
	condition := degraded(map[string]quarantine.Common{"PostgresCluster": {Reason: "Forbidden", Failing: 7, Of: 9}}, 1)
	if condition == nil || condition.Status != metav1.ConditionTrue || !strings.Contains(condition.Message, "PostgresCluster") || !strings.Contains(condition.Message, "Forbidden") {
		t.Errorf("the condition is %+v", condition)
	}
}
