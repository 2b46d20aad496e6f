package faults

import (
	"time"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// Clusters of other shapes than three instances with mode Quorum, and the faults that each meets: those whose outcome its shape decides.

// Pair are the edits that make a cluster one of two instances, which goes on alone where its standby is gone: durability Preferred is the default for it.
func Pair() []func(*v1alpha1.PostgresClusterSpec) {
	return []func(*v1alpha1.PostgresClusterSpec){func(spec *v1alpha1.PostgresClusterSpec) { *spec.Instances = 2 }}
}

// OfPair never lose anything: whoever is alone has published so before it acknowledged the first write, and nobody else leads then. What boots nodes comes last:
// the next one would wait until their pods are replaced.
func OfPair() []Fault {
	return []Fault{
		Named("standby-killed"), Named("sigkill-pid1"), Named("node-isolated"), lastCopyStopped(),
	}
}

// lastCopyStopped leaves alone a standby that lacks what was acknowledged without it.
func lastCopyStopped() Fault {
	return Fault{Name: "last-copy-stopped", Title: "the standby's node powered off, and the primary's once it writes alone", KeepsLeader: true, WritesMustWait: true,
		Lasts: settle / 2, Hits: allNodes,
		How: "`localcluster node stop` of the standby's node; once the Lease names no member but the primary and writes go on, of the primary's; then " +
			"`localcluster node start` of the standby's.",
		Healed: "The primary's node is booted.", Inject: stopLastCopy}
}

// asynchronousLease is the shortest one that can be asked for.
const asynchronousLease = 6 * time.Second

// Asynchronous are the edits that make a cluster one whose commits wait for nobody.
func Asynchronous() []func(*v1alpha1.PostgresClusterSpec) {
	return []func(*v1alpha1.PostgresClusterSpec){func(spec *v1alpha1.PostgresClusterSpec) {
		lease := int32(asynchronousLease / time.Second)
		spec.Availability.Mode, spec.Availability.LeaseDurationSeconds = v1alpha1.ModeAsynchronous, &lease
	}}
}

// OfAsynchronous lose nothing where the primary hands over, or starts again before its lease ends; see promise.go for the others.
func OfAsynchronous() []Fault {
	return []Fault{Named("sigkill-pid1"), Named("switchover"), Named("node-isolated")}
}
