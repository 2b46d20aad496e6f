package postgrescluster

import "github.com/timonier-io/timonier/internal/reconcile"

// phases in their order. What a phase needs from earlier ones it names; all others go on when one does not.
func (r *Reconciler) phases() []reconcile.Phase[*scope] {
	return []reconcile.Phase[*scope]{
		// First, always: a full volume must not keep itself from growing.
		{Name: "volume-growth", Run: r.growVolumes},
		{Name: "volumes", Run: r.keepVolumes},
		{Name: "finalizer", Run: r.keepFinalizer},
		{Name: "certificates", Run: r.ensureCertificates},
		{Name: "network", Run: r.ensureServices},
		{Name: "permissions", Run: r.ensurePermissions},
		{Name: "lease", Run: r.ensureLease},
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
		{Name: "health", Run: r.judgeHealth},
	}
}
