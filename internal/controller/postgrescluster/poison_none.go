//go:build !poison

package postgrescluster

import "github.com/timonier-io/timonier/internal/reconcile"

// poisoned phases: there are none but in a build for measuring what an operator that panics costs.
func poisoned() []reconcile.Phase[*scope] { return nil }
