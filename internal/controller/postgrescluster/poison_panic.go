//go:build poison

package postgrescluster

import (
	"context"

	"github.com/timonier-io/timonier/internal/reconcile"
)

// poisoned has a phase that panics where an annotation of the cluster asks for it: what a bug costs all others is measured with it.
func poisoned() []reconcile.Phase[*scope] {
	return []reconcile.Phase[*scope]{{Name: "poison", Run: func(_ context.Context, s *scope) error {
		if s.cluster.Annotations["timonier.io/poison"] == "panic" {
			panic("as its annotation asks")
		}
		return nil
	}}}
}
