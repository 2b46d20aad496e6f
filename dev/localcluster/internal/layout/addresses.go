package layout

import "fmt"

// The cluster's networks. All lie in one range, Network, which `up` refuses to use when the machine
// already has a route into it.
const (
	// Network contains every network below.
	Network = "10.88.0.0/13"
	// Bridge is the switch that all nodes and the host are plugged into.
	Bridge = "lcbr0"
	// HostAddress is the host's own on the bridge: where the API server listens, and where a
	// pod or node reaches whatever runs on the host.
	HostAddress = "10.90.0.1"
	// NodePrefix is the length of the bridge network's prefix.
	NodePrefix = "/24"
	// LoadBalancers is the range of which Services of type LoadBalancer get their addresses.
	LoadBalancers = "10.90.1.0/24"
	// Pods is the range of all pods; every node has a /24 of it.
	Pods = "10.91.0.0/16"
	// Services is the range of cluster IPs.
	Services = "10.92.0.0/16"
	// KubernetesService is the cluster IP of the API server.
	KubernetesService = "10.92.0.1"
	// DNSService is the cluster IP of CoreDNS.
	DNSService = "10.92.0.10"
	// Domain is the cluster's DNS domain.
	Domain = "cluster.local"
)

// Ports on the host's bridge address.
const (
	APIPort      = 6443
	EtcdPort     = 2379
	EtcdPeerPort = 2380
	// RegistryPort is where the nodes' containerds ask for images first; see the registry
	// package for why there is a process between them and the registry.
	RegistryPort = 5999
)

// APIServer is the URL every part of the cluster uses.
const APIServer = "https://" + HostAddress + ":6443"

// MaxNodes is what the address plan has room for.
const MaxNodes = 50

// NodeAddress is the address of a node on the bridge.
func NodeAddress(number int) string { return fmt.Sprintf("10.90.0.%d", 10+number) }

// PodRange is the range of a node's pods.
func PodRange(number int) string { return fmt.Sprintf("10.91.%d.0/24", number) }

// NetNS is the name of a node's network namespace.
func NetNS(node string) string { return "lc-" + node }

// Link is the host's end of the cable between a node and the bridge.
func Link(node string) string { return "lc-" + node }
