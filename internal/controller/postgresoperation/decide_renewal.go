package postgresoperation

import (
	"time"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// renewWithin is how long it may take until the cluster's controller has issued certificates anew, which it does also where the cluster is left alone.
const renewWithin = 3 * time.Minute

// decideRenewal of certificates: the cluster's controller issues them, as it always does, since this operation runs. Instances load them by themselves.
func decideRenewal(f facts) step {
	switch {
	case f.cluster.renewedBy == f.uid:
		return f.step(verbSucceed, v1alpha1.ReasonDone, "the certificates of %s were issued anew; instances load them within two minutes", f.spec.ClusterRef.Name)
	case f.late(f.status.StartedAt, renewWithin):
		return f.fail(v1alpha1.ReasonTimedOut, "the certificates were not issued within %s; conditions and events of %s say why", renewWithin, f.spec.ClusterRef.Name)
	}
	return f.wait("certificates are issued anew")
}
