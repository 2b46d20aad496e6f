package postgresoperation

import (
	"strings"
	"time"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// renewWithin is how long it may take until the cluster's controller has issued certificates anew, which it does also where the cluster is left alone.
const renewWithin = 3 * time.Minute

// decideRenewal of certificates: the cluster's controller issues them, as it always does, since this operation runs. Instances load them by themselves. An
// authority that is due is replaced in steps, each of which others must have taken up: where the cluster is left alone that goes on for as long as this
// operation runs, so it ends with the last step.
func decideRenewal(f facts) step {
	cluster := f.cluster
	switch answered := cluster.renewedBy == f.uid; {
	case answered && len(cluster.certificatesLeftAlone) > 0:
		return f.fail(v1alpha1.ReasonHandsOff, "overrides of the Platform leave these Secrets alone, and they are as before: %s. All others of %s were issued anew. Remove these overrides and ask again, or write the Secrets by hand",
			leftAlone(cluster.certificatesLeftAlone), f.spec.ClusterRef.Name)
	case answered && len(cluster.rotating) > 0 && cluster.unmanaged != "":
		waits := f.wait("certificates were issued anew. Authorities are being replaced, in steps that instances and clients must take up: %s. Deleted now, this stays where it is, and nothing breaks by that",
			strings.Join(cluster.rotating, ", "))
		waits.after = unmanagedAgain
		return waits
	case answered && len(cluster.rotating) > 0:
		return f.step(verbSucceed, v1alpha1.ReasonDone, "the certificates of %s were issued anew; instances load them within two minutes. Authorities are being replaced besides, which goes on by itself: %s",
			f.spec.ClusterRef.Name, strings.Join(cluster.rotating, ", "))
	case answered:
		return f.step(verbSucceed, v1alpha1.ReasonDone, "the certificates of %s were issued anew; instances load them within two minutes", f.spec.ClusterRef.Name)
	case f.late(f.status.StartedAt, renewWithin) && len(cluster.certificatesLeftAlone) > 0:
		return f.fail(v1alpha1.ReasonHandsOff, "the certificates were not issued, since overrides of the Platform leave these Secrets alone: %s. Remove these overrides and ask again, or write the Secrets by hand",
			leftAlone(cluster.certificatesLeftAlone))
	case f.late(f.status.StartedAt, renewWithin):
		return f.fail(v1alpha1.ReasonTimedOut, "the certificates were not issued within %s; conditions and events of %s say why", renewWithin, f.spec.ClusterRef.Name)
	}
	return f.wait("certificates are issued anew")
}
