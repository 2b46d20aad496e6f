package postgrescluster

import (
	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// phasesOf a cluster, by who steers it.
func (r *Reconciler) phasesOf(s *scope) []reconcile.Phase[*scope] {
	switch s.steering.state {
	case contract.Unmanaged:
		return r.handsOffPhases()
	case contract.Removed:
		return r.removalPhases()
	default:
		return r.phases()
	}
}

// names of the phases whose failures are remembered, by who steers the cluster: while it is left alone those of all, for it is handed back some day.
func (r *Reconciler) names(state contract.ManagementState) reconcile.Names {
	opening := reconcile.NamesOf(r.openingPhases())
	switch state {
	case contract.Unmanaged:
		return opening.And(reconcile.NamesOf(r.phases())).And(reconcile.NamesOf(r.handsOffPhases()))
	case contract.Removed:
		return opening.And(reconcile.NamesOf(r.removalPhases()))
	default:
		return opening.And(reconcile.NamesOf(r.phases()))
	}
}

// phases in their order. What a phase needs from earlier ones it names; all others go on when one does not. Vital ones are tried for as long as it takes.
func (r *Reconciler) phases() []reconcile.Phase[*scope] {
	return append([]reconcile.Phase[*scope]{
		// First, always: a full volume must not keep itself from growing.
		{Name: "volume-growth", Run: r.growVolumes, Vital: true},
		{Name: "volumes", Run: r.keepVolumes},
		{Name: "finalizer", Run: r.keepFinalizer, Vital: true},
		{Name: "certificates", Run: r.ensureCertificates, Vital: true},
		// Before all that can fail: an instance that ran, and whose pod is lost, comes back whatever else is wrong.
		{Name: "lost-pods", Run: r.replaceLostPods, Vital: true},
		{Name: "network", Run: r.ensureServices},
		{Name: "permissions", Run: r.ensurePermissions, Vital: true},
		// Without these two nobody can be elected.
		{Name: "lease", Run: r.ensureLease, Vital: true},
		{Name: "instances", Run: r.ensureInstances, Requires: []string{"certificates", "network", "permissions", "lease"}},
		{Name: "metadata", Run: r.labelPods},
		{Name: "manager", Run: r.replaceManagers},
		{Name: "pull-secrets", Run: r.checkPullSecrets},
		{Name: "image", Run: r.checkImage},
		{Name: "rollout", Run: r.rollOut, Requires: []string{"instances"}},
		{Name: "scale-down", Run: r.scaleDown, Requires: []string{"instances"}},
		{Name: "credentials", Run: r.ensureCredentials, Requires: []string{"certificates"}},
		// Also where a role's own Secret is missing: that role keeps the password it has, all others are served.
		{Name: "access", Run: r.grantAccess},
		{Name: "disruption-budget", Run: r.ensureBudget},
		{Name: "health", Run: r.judgeHealth, Vital: true},
	}, poisoned()...)
}

// handsOffPhases of a cluster that is left alone: nothing is written but that roles go off its pods, and certificates where a person asks for them.
func (r *Reconciler) handsOffPhases() []reconcile.Phase[*scope] {
	return []reconcile.Phase[*scope]{
		{Name: "role-labels", Run: r.removeRoleLabels, Vital: true},
		{Name: "renew-certificates", Run: r.renewCertificates, Vital: true},
		{Name: "health", Run: r.judgeHealth, Vital: true},
	}
}

// removalPhases of a cluster that is taken away, one after the other.
func (r *Reconciler) removalPhases() []reconcile.Phase[*scope] {
	return []reconcile.Phase[*scope]{
		{Name: "finalizer", Run: r.holdForRemoval, Vital: true},
		{Name: "remove-instances", Run: r.removeInstances, Requires: []string{"finalizer"}, Vital: true},
		{Name: "remove-children", Run: r.removeChildren, Requires: []string{"remove-instances"}, Vital: true},
		{Name: "remove-volumes", Run: r.removeVolumes, Requires: []string{"remove-children"}, Vital: true},
	}
}
