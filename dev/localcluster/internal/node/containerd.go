package node

import (
	"fmt"
	"os"
	"strings"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
	"github.com/timonier-io/timonier/dev/localcluster/internal/spawn"
)

// PauseImage is what holds the namespaces of each pod.
const PauseImage = "localcluster.timonier.io/pause:1"

// containerd is Debian's. Its state is in /run, which is empty after a power cut as on a real
// machine; its content is on the node's disk.
func (n Node) containerd() spawn.Process {
	return n.process(Containerd, "--config", n.disk("containerd.toml"))
}

func (n Node) containerdConfig() string {
	return fmt.Sprintf(`version = 2
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "/run/containerd/containerd.sock"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  # Without the right to raise a limit, runc dies when it is told to protect a container from
  # the kernel's memory killer better than containerd is protected itself.
  restrict_oom_score_adj = %t
  max_concurrent_downloads = 10

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = %q

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = %q
`, PauseImage, !maySetLimits(), n.disk("cni"), n.disk("registries"))
}

// registryConfig sends every request for an image to the host first, where the controller passes on
// those for a registry on the host itself, in plain HTTP. For all others it answers no, and
// containerd asks the registry that the image names.
func registryConfig() string {
	return fmt.Sprintf("[host.\"http://%s:%d\"]\n  capabilities = [\"pull\", \"resolve\"]\n",
		layout.HostAddress, layout.RegistryPort)
}

// maySetLimits tells whether this machine grants CAP_SYS_RESOURCE, number 24.
func maySetLimits() bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(status), "CapEff:")
	var capabilities uint64
	if _, err := fmt.Sscanf(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]), "%x", &capabilities); err != nil {
		return false
	}
	return capabilities&(1<<24) != 0
}
