package node

import (
	"encoding/json"
	"fmt"

	"github.com/timonier-io/timonier/dev/localcluster/internal/cgroup"
	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
	"github.com/timonier-io/timonier/dev/localcluster/internal/spawn"
)

func (n Node) kubelet() spawn.Process {
	return n.process(Kubelet,
		"--config="+n.disk("kubelet.json"),
		"--kubeconfig="+n.Dir.ServerKubeconfig(n.Name),
		"--hostname-override="+n.Name,
		"--node-ip="+layout.NodeAddress(n.Number),
		"--root-dir=/var/lib/kubelet",
		"--node-labels=topology.kubernetes.io/zone=zone-"+fmt.Sprint(n.Number),
	)
}

func (n Node) kubeletConfig() string {
	config := map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",

		"containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
		"cgroupDriver":             "cgroupfs",
		"cgroupRoot":               cgroup.Path(n.Name),
		"failSwapOn":               false,
		"resolvConf":               n.disk("resolv.conf"),
		"clusterDNS":               []string{layout.DNSService},
		"clusterDomain":            layout.Domain,

		"address":                          layout.NodeAddress(n.Number),
		"healthzBindAddress":               "127.0.0.1",
		"tlsCertFile":                      n.PKI.Cert(n.Name),
		"tlsPrivateKeyFile":                n.PKI.Key(n.Name),
		"authentication":                   map[string]any{"anonymous": map[string]any{"enabled": false}, "webhook": map[string]any{"enabled": true}, "x509": map[string]any{"clientCAFile": n.PKI.Cert("ca")}},
		"authorization":                    map[string]any{"mode": "Webhook"},
		"rotateCertificates":               false,
		"enableControllerAttachDetach":     true,
		"enforceNodeAllocatable":           []string{"pods"},
		"maxPods":                          200,
		"imageMinimumGCAge":                "24h",
		"imageGCHighThresholdPercent":      100, // images are loaded by hand and could not be pulled again
		"imageGCLowThresholdPercent":       99,
		"evictionPressureTransitionPeriod": "5s",
		// All nodes share the machine's disk and memory: the real thresholds would evict pods of
		// every node at once when the developer's disk is a little full.
		"evictionHard": map[string]string{
			"nodefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.available": "1%", "memory.available": "100Mi",
		},

		// Quick pods: nothing is shared with strangers here, so no limit is worth its wait.
		"serializeImagePulls": false,
		"registryPullQPS":     0,
		"eventRecordQPS":      0,
		"kubeAPIQPS":          500,
		"kubeAPIBurst":        1000,
		// A claim that grew is noticed when its pod is looked at again, by default once a minute.
		"syncFrequency": "10s",
		// Node leases and heartbeats keep their defaults: failure detection is measured here.
	}
	if !cgroup.V2() {
		config["failCgroupV1"] = false
		// Quotas of ephemeral storage need a view of the root file system that version 1
		// without a mount per node does not give.
		config["localStorageCapacityIsolation"] = false
	}
	data, _ := json.MarshalIndent(config, "", "  ") // strings, numbers and maps always marshal
	return string(data)
}
