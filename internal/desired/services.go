package desired

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	discoveryv1ac "k8s.io/client-go/applyconfigurations/discovery/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// PrimaryService leads to the primary. It has no selector: the leader itself writes where it leads to.
func PrimaryService(c Cluster) *corev1ac.ServiceApplyConfiguration {
	return c.clientService(naming.PrimaryService(c.Name), c.Spec.Services.Primary)
}

// ReplicaService leads to standbys. It has no selector either.
func ReplicaService(c Cluster) *corev1ac.ServiceApplyConfiguration {
	return c.clientService(naming.ReplicaService(c.Name), c.Spec.Services.Replicas)
}

func (c Cluster) clientService(name string, template v1alpha1.ServiceTemplate) *corev1ac.ServiceApplyConfiguration {
	kind := template.Type
	if kind == "" {
		kind = corev1.ServiceTypeClusterIP
	}
	spec := corev1ac.ServiceSpec().WithType(kind).WithPorts(postgresServicePort())
	if len(template.LoadBalancerSourceRanges) > 0 {
		spec.WithLoadBalancerSourceRanges(template.LoadBalancerSourceRanges...)
	}
	if template.LoadBalancerClass != nil {
		spec.WithLoadBalancerClass(*template.LoadBalancerClass)
	}
	if template.ExternalTrafficPolicy != nil {
		spec.WithExternalTrafficPolicy(*template.ExternalTrafficPolicy)
	}
	return corev1ac.Service(name, c.Namespace).
		WithLabels(c.labels(nil)).WithAnnotations(c.annotations(template.Annotations)).
		WithOwnerReferences(c.owner()).WithSpec(spec)
}

// PodsService is headless and gives each instance its host name, also before it is ready: peers must
// find each other to become ready.
func PodsService(c Cluster) *corev1ac.ServiceApplyConfiguration {
	return corev1ac.Service(naming.PodsService(c.Name), c.Namespace).
		WithLabels(c.labels(nil)).WithAnnotations(c.annotations(nil)).WithOwnerReferences(c.owner()).
		WithSpec(corev1ac.ServiceSpec().
			WithClusterIP(corev1.ClusterIPNone).
			WithPublishNotReadyAddresses(true).
			WithSelector(instanceSelector(c.Name)).
			WithPorts(
				postgresServicePort(),
				corev1ac.ServicePort().WithName("api").WithProtocol(corev1.ProtocolTCP).
					WithPort(naming.PortAPI).WithTargetPort(intstr.FromInt32(naming.PortAPI)),
			))
}

func postgresServicePort() *corev1ac.ServicePortApplyConfiguration {
	return corev1ac.ServicePort().WithName(naming.PortNamePostgres).WithProtocol(corev1.ProtocolTCP).
		WithPort(naming.PortPostgres).WithTargetPort(intstr.FromInt32(naming.PortPostgres))
}

// instanceSelector finds the pods of a cluster's instances, and no others of its pods.
func instanceSelector(cluster string) map[string]string {
	return map[string]string{naming.LabelCluster: cluster, naming.LabelComponent: ComponentInstance}
}

// EndpointSlice of a Service without a selector: made empty here; its endpoints and ports are the leader's
// to write, so they are no part of this apply configuration.
func EndpointSlice(c Cluster, service string) *discoveryv1ac.EndpointSliceApplyConfiguration {
	return discoveryv1ac.EndpointSlice(service, c.Namespace).
		WithLabels(c.labels(map[string]string{
			discoveryv1.LabelServiceName: service,
			discoveryv1.LabelManagedBy:   naming.ManagedBy,
		})).
		WithAnnotations(c.annotations(nil)).WithOwnerReferences(c.owner()).
		WithAddressType(discoveryv1.AddressTypeIPv4)
}
