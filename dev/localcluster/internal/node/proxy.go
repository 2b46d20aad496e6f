package node

import (
	"encoding/json"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
	"github.com/timonier-io/timonier/dev/localcluster/internal/spawn"
)

func (n Node) kubeProxy() spawn.Process {
	return n.process(KubeProxy, "--config="+n.disk("kube-proxy.json"))
}

func (n Node) kubeProxyConfig() string {
	config := map[string]any{
		"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",

		"mode":             "nftables",
		"hostnameOverride": n.Name,
		"clientConnection": map[string]any{"kubeconfig": n.Dir.ServerKubeconfig("kube-proxy"), "qps": 500, "burst": 1000},
		// Traffic from elsewhere than a pod is given the node's address on its way to a pod.
		"clusterCIDR":     layout.Pods,
		"detectLocalMode": "ClusterCIDR",
		// The load balancers' health checks come from the host.
		"healthzBindAddress": layout.NodeAddress(n.Number) + ":10256",
		"metricsBindAddress": "127.0.0.1:10249",
		// A failover moves an endpoint, and somebody waits for it: apply changes at once, and let
		// only bursts be gathered.
		"nftables": map[string]any{"minSyncPeriod": "50ms", "syncPeriod": "30s"},
		// These belong to the whole machine and are left as they are.
		"conntrack": map[string]any{"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
	}
	data, _ := json.MarshalIndent(config, "", "  ") // strings, numbers and maps always marshal
	return string(data)
}
