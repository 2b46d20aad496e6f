package postgrescluster

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// clusterDomain is the suffix that a resolver in a pod may add. Certificates carry names with and without it.
const clusterDomain = ".cluster.local"

// serverHosts are the names and addresses at which clients reach PostgreSQL: what its certificate is to carry.
func (s *scope) serverHosts() []string {
	hosts := s.instanceHosts()
	for service, template := range map[string]v1alpha1.ServiceTemplate{
		naming.PrimaryService(s.cluster.Name): s.cluster.Spec.Services.Primary,
		naming.ReplicaService(s.cluster.Name): s.cluster.Spec.Services.Replicas,
	} {
		host := naming.ServiceHost(service, s.cluster.Namespace)
		hosts = append(hosts, service, service+"."+s.cluster.Namespace, host, host+clusterDomain)
		hosts = append(hosts, template.Hostnames...)
		hosts = append(hosts, s.loadBalancerAddresses(service)...)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// instanceHosts are the names of the instances themselves, and the one that stands for whichever leads.
func (s *scope) instanceHosts() []string {
	each := naming.InstanceHost(s.cluster.Name, s.cluster.Namespace, "*")
	return []string{each, each + clusterDomain, naming.LeaderHost(s.cluster.Name, s.cluster.Namespace)}
}

// loadBalancerAddresses that a Service was given, host names and IP addresses.
func (s *scope) loadBalancerAddresses(service string) []string {
	found := s.observed.services[service]
	if found == nil || found.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return nil
	}
	var addresses []string
	for _, ingress := range found.Status.LoadBalancer.Ingress {
		switch {
		case ingress.Hostname != "":
			addresses = append(addresses, ingress.Hostname)
		case ingress.IP != "":
			addresses = append(addresses, ingress.IP)
		}
	}
	return addresses
}

// key of an object in the cluster's namespace.
func (s *scope) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: s.cluster.Namespace, Name: name}
}
