package platform

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/platform/v1alpha1"
	postgresv1alpha1 "github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile"
	"github.com/timonier-io/timonier/internal/reconcile/management"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

const (
	// blockingShown is how many of what prevents an upgrade are in the status, and namesTold how many in a condition's message.
	blockingShown = 100
	namesTold     = 10
)

// blockers are what prevents an upgrade: what the Platform says for all, its overrides, and each resource that is left alone.
func blockers(spec v1alpha1.PlatformSpec, clusters []postgresv1alpha1.PostgresCluster) []string {
	var all []string
	if spec.ManagementState == contract.Unmanaged {
		all = append(all, "spec.managementState of the Platform is Unmanaged")
	}
	for _, override := range spec.Overrides {
		if override.Unmanaged {
			all = append(all, "spec.overrides of the Platform, "+management.Describe(override))
		}
	}
	for i := range clusters {
		if text := blocker(&clusters[i]); text != "" {
			all = append(all, text)
		}
	}
	return all
}

// blocker is why a cluster prevents an upgrade, "" where it does not.
func blocker(cluster *postgresv1alpha1.PostgresCluster) string {
	name := fmt.Sprintf("PostgresCluster %s/%s", cluster.Namespace, cluster.Name)
	switch {
	case cluster.Status.ManagementState == contract.Unmanaged:
		return fmt.Sprintf("%s is left alone, by %s", name, cluster.Status.Management.By)
	case len(cluster.Status.Management.LeftAlone) > 0:
		const named = 3
		left := cluster.Status.Management.LeftAlone
		more := ""
		if len(left) > named {
			more = fmt.Sprintf(" and %d more", len(left)-named)
		}
		return fmt.Sprintf("%s%s of %s is left alone", strings.Join(left[:min(len(left), named)], ", "), more, name)
	}
	return ""
}

func upgradeable(blocking []string, generation int64) metav1.Condition {
	condition := metav1.Condition{Type: v1alpha1.ConditionUpgradeable, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonNothingBlocks,
		Message: "everything is managed: the operator can be upgraded", ObservedGeneration: generation}
	if len(blocking) > 0 {
		condition.Status, condition.Reason = metav1.ConditionFalse, v1alpha1.ReasonManagementOverridesSet
		more := ""
		if len(blocking) > namesTold {
			more = fmt.Sprintf("; and %d more, see status.blocking", len(blocking)-namesTold)
		}
		condition.Message = reconcile.Brief("Disabling ownership through overrides prevents upgrades: what is left alone receives none, and an operator of a newer minor version does not take it over. " +
			"Hand these back first: " + strings.Join(blocking[:min(len(blocking), namesTold)], "; ") + more)
	}
	return condition
}

// degraded says what most resources of a kind fail by; nil where there is no such thing.
func degraded(shared map[string]quarantine.Common, generation int64) *metav1.Condition {
	if len(shared) == 0 {
		return nil
	}
	var told []string
	for _, kind := range slices.Sorted(maps.Keys(shared)) {
		common := shared[kind]
		told = append(told, fmt.Sprintf("most of all %s (status and events of each have the message) fail for the same reason, %s", kind, common.Reason))
	}
	return &metav1.Condition{Type: v1alpha1.ConditionDegraded, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSharedFailure, ObservedGeneration: generation,
		Message: reconcile.Brief(strings.Join(told, "; ") + ". The cause is the operator's or the Kubernetes cluster's: nothing is put into quarantine for it, and all is tried on")}
}
