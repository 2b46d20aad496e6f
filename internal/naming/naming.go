// Package naming is the one place in which the name of every child object, label
// and mark is made. Names are pure functions of the cluster's name (at most
// MaxClusterName characters, held by the CRD), so that they can neither be too
// long nor collide with each other; naming_test.go proves both.
package naming

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxClusterName is the greatest length of a PostgresCluster's name, in bytes. The longest child of
// a fixed ending stays within 63 bytes, the limit of a DNS label.
const MaxClusterName = 40

// Labels and annotations of children.
const (
	// LabelCluster is on everything that belongs to a cluster; its value is the cluster's name.
	LabelCluster = "timonier.io/cluster"
	// LabelInstance is on pods and volumes; its value is the instance's name.
	LabelInstance = "timonier.io/instance"
	// LabelRole is on pods, for information only: primary or standby.
	LabelRole = "timonier.io/role"
	// LabelVolume is on volume claims: data or wal.
	LabelVolume = "timonier.io/volume"
	// LabelTeam is on every child of a cluster that names a team.
	LabelTeam = "timonier.io/team"
	// LabelComponent tells what an object is for: instance, image-check, credentials, certificates.
	LabelComponent = "timonier.io/component"
	// LabelManagedBy is Kubernetes' own label for the tool that manages an object.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of LabelManagedBy.
	ManagedBy = "timonier"

	// AnnotationPodHash holds the hash of all that makes a pod be replaced when it changes.
	AnnotationPodHash = "timonier.io/pod-hash"
	// AnnotationTerm on an EndpointSlice: the term of the leader that wrote it.
	AnnotationTerm = "timonier.io/term"
	// AnnotationOwnerUID on a volume claim, which has no owner: the UID of the cluster that made it.
	AnnotationOwnerUID = "timonier.io/cluster-uid"

	// AnnotationSystem on a volume claim: the identifier of the PostgreSQL system whose data it held. It outlives the Lease
	// and the cluster.
	AnnotationSystem = "timonier.io/system"

	// AnnotationRelease on an object of ours has what is in quarantine tried again, once for each value that it gets.
	AnnotationRelease = "timonier.io/release"
	// LabelQuarantined is on an object of ours of which something is in quarantine, with the value "true".
	LabelQuarantined = "timonier.io/quarantined"

	// FinalizerCluster is on a cluster whose volumes are to be deleted with it, so that it is its last spec that counts.
	FinalizerCluster = "timonier.io/postgrescluster"
)

// Ports of an instance's pod.
const (
	// PortPostgres serves PostgreSQL.
	PortPostgres = 5432
	// PortAPI serves status, commands and metrics, with mutual TLS.
	PortAPI = 8443
	// PortProbes serves probes in plain HTTP, and nothing else.
	PortProbes = 8080
	// PortNamePostgres is the port's name in Services and in their EndpointSlices, which must agree.
	PortNamePostgres = "postgres"
)

// Roles in the organizational unit of a certificate: what its holder may do.
const (
	// CertificateRoleOperator may configure and command an instance.
	CertificateRoleOperator = "operator"
	// CertificateRoleInstance may ask other instances for their status.
	CertificateRoleInstance = "instance"
	// CertificateRoleMonitor may read metrics.
	CertificateRoleMonitor = "monitor"
)

// Roles of PostgreSQL that belong to Timonier.
const (
	// Superuser has no password and no TCP access.
	Superuser = "postgres"
	// ReplicationRole replicates, clones and rewinds, by certificate; its certificate's common name.
	ReplicationRole = "timonier_replication"
	// MonitorRole has pg_monitor and serves metrics over the local socket.
	MonitorRole = "timonier_monitor"
)

// DefaultRole is made, with a database of that name, where neither roles nor databases are listed.
const DefaultRole = "app"

// Names of a cluster's children.

// Lease arbitrates who leads.
func Lease(cluster string) string { return cluster + "-primary" }

// PrimaryService leads to the primary.
func PrimaryService(cluster string) string { return cluster + "-rw" }

// ReplicaService leads to standbys, or to the primary where there are none.
func ReplicaService(cluster string) string { return cluster + "-ro" }

// PodsService is headless: each instance has a host name in it.
func PodsService(cluster string) string { return cluster + "-pods" }

// ServiceAccount of the instances; also its Role and RoleBinding.
func ServiceAccount(cluster string) string { return cluster + "-instance" }

// PeerCA is the Secret with the authority for peers and replication, readable by the operator alone.
func PeerCA(cluster string) string { return cluster + "-peer-ca" }

// ClientCA is the Secret with the authority for the server certificate that clients verify, readable by the operator alone.
func ClientCA(cluster string) string { return cluster + "-client-ca" }

// Certificates is the Secret mounted in every instance.
func Certificates(cluster string) string { return cluster + "-certificates" }

// MonitorCertificate is the Secret with which a Prometheus reads metrics.
func MonitorCertificate(cluster string) string { return cluster + "-monitor" }

// DisruptionBudget keeps a drain from stopping more than one instance.
func DisruptionBudget(cluster string) string { return cluster + "-instances" }

// ImageCheck is the pod that asks a new image for its version before a running pod is stopped for it.
func ImageCheck(cluster string) string { return cluster + "-image-check" }

// Instance is the name of the n-th instance (from 1), of its pod and of its data volume claim.
func Instance(cluster string, ordinal int) string { return cluster + "-" + strconv.Itoa(ordinal) }

// DataVolume is the claim of an instance's data volume.
func DataVolume(instance string) string { return instance }

// WALVolume is the claim of an instance's WAL volume.
func WALVolume(instance string) string { return instance + "-wal" }

// Ordinal is the number in an instance's name; ok is false where the name is not of this cluster's instances.
func Ordinal(cluster, instance string) (ordinal int, ok bool) {
	rest, found := strings.CutPrefix(instance, cluster+"-")
	if !found {
		return 0, false
	}
	n, err := strconv.Atoi(rest)
	if err != nil || n < 1 || strconv.Itoa(n) != rest {
		return 0, false
	}
	return n, true
}

// reservedEndings are those of a cluster's other children: a role of such a name must not take their Secret.
var reservedEndings = []string{"peer-ca", "client-ca", "certificates", "monitor"}

// RoleSecret is the connection Secret of a role. Underscores, which no Kubernetes name allows, become
// hyphens; a name that would then be ambiguous or reserved is refused by RoleSecretConflict.
func RoleSecret(cluster, role string) string {
	return cluster + "-" + strings.Trim(strings.ReplaceAll(role, "_", "-"), "-")
}

// RoleSecretConflict tells why the Secrets of these roles cannot all exist, or "".
func RoleSecretConflict(cluster string, roles []string) string {
	taken := map[string]string{}
	for _, ending := range reservedEndings {
		taken[cluster+"-"+ending] = "Timonier itself"
	}
	for _, role := range roles {
		name := RoleSecret(cluster, role)
		if strings.Trim(role, "_-") == "" {
			return fmt.Sprintf("role %q has no letter or digit to name its Secret by; choose another name", role)
		}
		if other, ok := taken[name]; ok {
			return fmt.Sprintf("role %q needs the Secret %s, which belongs to %s; choose another name", role, name, other)
		}
		taken[name] = fmt.Sprintf("role %q", role)
	}
	return ""
}

// InstanceHost is the stable host name of an instance within the Kubernetes cluster.
func InstanceHost(cluster, namespace, instance string) string {
	return instance + "." + PodsService(cluster) + "." + namespace + ".svc"
}

// LeaderHost is the one name that every member's server certificate carries, so that a standby can
// verify whichever member it follows. It is not in DNS.
func LeaderHost(cluster, namespace string) string {
	return "leader." + PodsService(cluster) + "." + namespace + ".svc"
}

// ServiceHost is the host name of a Service within the Kubernetes cluster.
func ServiceHost(service, namespace string) string { return service + "." + namespace + ".svc" }

// Slot is the replication slot that a member has on every other; slot names allow no hyphen.
func Slot(instance string) string { return "timonier_" + strings.ReplaceAll(instance, "-", "_") }
