package desired

import (
	coordinationv1ac "k8s.io/client-go/applyconfigurations/coordination/v1"

	"github.com/timonier-io/timonier/internal/naming"
)

// Lease that arbitrates who leads. Only its existence, owner and labels are the operator's; marks are written into
// it once, when it is created (bootstrap), and its content is the leader's from then on.
func Lease(c Cluster, marks map[string]string) *coordinationv1ac.LeaseApplyConfiguration {
	return coordinationv1ac.Lease(naming.Lease(c.Name), c.Namespace).
		WithLabels(c.labels(nil)).WithAnnotations(c.annotations(marks)).WithOwnerReferences(c.owner())
}
