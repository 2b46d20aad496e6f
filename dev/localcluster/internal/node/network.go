package node

import (
	"fmt"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
)

// cniConfig has pods plugged into a bridge of the node, with addresses from the node's range. There
// is no masquerading: every node and the host know where each range is, so a pod is seen with its
// own address everywhere. Hairpin lets a pod reach itself through a Service.
func (n Node) cniConfig() string {
	return fmt.Sprintf(`{
  "cniVersion": "0.4.0",
  "name": "localcluster",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isGateway": true,
      "hairpinMode": true,
      "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": %q}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": "/run/cni-addresses"
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`, layout.PodRange(n.Number))
}

// resolvConf is what pods with dnsPolicy Default get. There is no name server: the cluster's DNS
// answers for the cluster only, and is not asked on behalf of those that do not want it.
const resolvConf = "# The local cluster resolves no names outside of the cluster.\noptions timeout:1 attempts:1\n"
