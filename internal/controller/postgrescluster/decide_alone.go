package postgrescluster

import (
	"slices"
	"strings"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/reconcile"
	"github.com/timonier-io/timonier/internal/reconcile/management"
)

// Kinds of children that a phase may have to leave alone.
const (
	kindPod    = "Pod"
	kindVolume = "PersistentVolumeClaim"
	kindSecret = "Secret"
)

// childName is how a child is named in the status, as Service/shop-rw.
func childName(child management.Resource) string { return child.Kind + "/" + child.Name }

// child of the cluster, by its name in the status.
func (s *scope) child(name string) management.Resource {
	kind, name, _ := strings.Cut(name, "/")
	return management.Resource{Group: groupOf(kind), Kind: kind, Namespace: s.cluster.Namespace, Name: name}
}

// alone tells by what a child is left alone, "" for not.
func (s *scope) alone(kind, name string) string {
	child := management.Resource{Group: groupOf(kind), Kind: kind, Namespace: s.cluster.Namespace, Name: name}
	if by := management.LeftAlone(child, s.observed.platform.Overrides); by != "" {
		return by
	}
	if slices.Contains(s.held, childName(child)) {
		return "spec.resumePolicy"
	}
	return ""
}

// untouched are children that a phase would write to, were they not left alone: what is not done, and by what.
type untouched []string

// leave a child alone, of which this would be done.
func (u *untouched) leave(what, by string) { *u = append(*u, what+" (left alone by "+by+")") }

// stalls where something is not done: the person who said so has to know. Nobody else can do it.
func (u *untouched) stalls() error {
	if len(*u) == 0 {
		return nil
	}
	return reconcile.Stalled(v1alpha1.ReasonHandsOff, "%s. Take that back, or do it by hand", strings.Join(*u, "; "))
}

// groupOf the kinds of children.
func groupOf(kind string) string {
	switch kind {
	case "EndpointSlice":
		return "discovery.k8s.io"
	case "Lease":
		return "coordination.k8s.io"
	case "PodDisruptionBudget":
		return "policy"
	case "Role", "RoleBinding":
		return "rbac.authorization.k8s.io"
	}
	return ""
}

// apiVersionOf the kinds of children.
func apiVersionOf(kind string) string {
	if group := groupOf(kind); group != "" {
		return group + "/v1"
	}
	return "v1"
}

// children that there are, or are to be, as overrides may name them.
func (s *scope) children() []management.Resource {
	name := s.cluster.Name
	var all []management.Resource
	add := func(kind string, names ...string) {
		for _, name := range names {
			all = append(all, management.Resource{Group: groupOf(kind), Kind: kind, Namespace: s.cluster.Namespace, Name: name})
		}
	}
	add("Service", naming.PodsService(name), naming.PrimaryService(name), naming.ReplicaService(name))
	add("EndpointSlice", naming.PrimaryService(name), naming.ReplicaService(name))
	add("Lease", naming.Lease(name))
	add("PodDisruptionBudget", naming.DisruptionBudget(name))
	for _, kind := range []string{"ServiceAccount", "Role", "RoleBinding"} {
		add(kind, naming.ServiceAccount(name))
	}
	run := s.names(s.members.run)
	add(kindPod, union(sortedKeys(s.observed.pods), run)...)
	var claims []string
	for _, instance := range run {
		for _, claim := range desired.VolumeClaims(s.desired, instance, "") {
			claims = append(claims, *claim.Name)
		}
	}
	add(kindVolume, union(sortedKeys(s.observed.claims), claims)...)
	add(kindSecret, union(sortedKeys(s.observed.secrets), s.wantedSecrets())...)
	return all
}

// wantedSecrets are the names of all that the cluster has: its authorities', its certificates', and its roles'.
func (s *scope) wantedSecrets() []string {
	name := s.cluster.Name
	names := []string{naming.PeerCA(name), naming.ClientCA(name), naming.Certificates(name), naming.MonitorCertificate(name)}
	roles, _ := wantedAccess(s.cluster.Spec)
	for _, role := range rolesWithSecret(roles) {
		names = append(names, naming.RoleSecret(name, role))
	}
	return names
}

// union of names, each once and in order.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
