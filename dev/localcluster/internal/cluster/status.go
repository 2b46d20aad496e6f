package cluster

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/timonier-io/timonier/dev/localcluster/internal/cgroup"
	"github.com/timonier-io/timonier/dev/localcluster/internal/controlplane"
	"github.com/timonier-io/timonier/dev/localcluster/internal/disk"
	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
	"github.com/timonier-io/timonier/dev/localcluster/internal/network"
	"github.com/timonier-io/timonier/dev/localcluster/internal/node"
	"github.com/timonier-io/timonier/dev/localcluster/internal/spawn"
)

// Status shows the control plane, the nodes and the volumes in use, with the faults in force. It asks
// the machine first and the API server last, so it works while that is gone.
func (c Cluster) Status(ctx context.Context) error {
	nodes, err := c.nodes()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.Out, 0, 0, 3, ' ', 0)
	defer w.Flush()

	api := c.apiState(ctx)
	fmt.Fprintf(w, "API server\t%s\t%s\n", layout.APIServer, api)
	for _, name := range []string{controlplane.Etcd, controlplane.ControllerManager, controlplane.Scheduler, controlplane.Controller} {
		state := "runs"
		if !spawn.Alive(controlplane.Unit, name) {
			state = "has ended: `localcluster up` starts it again, its log is " + c.Dir.Log(controlplane.Unit, name)
		}
		fmt.Fprintf(w, "%s\t\t%s\n", name, state)
	}
	said := map[string]string{}
	if api == "ready" {
		said = c.nodesAsTheAPISays(ctx)
	}
	for _, n := range nodes {
		fmt.Fprintf(w, "%s\t%s\t%s\n", n.Name, layout.NodeAddress(n.Number), strings.Join(nodeFaults(n, said[n.Name]), ", "))
	}
	for _, cut := range network.Cuts(ctx) {
		fmt.Fprintf(w, "from %s to %s\t\tCUT\n", cut[0], cut[1])
	}
	for _, v := range c.mounted() {
		fmt.Fprintf(w, "volume %s\ton %s\t%s\n", v.name, v.node, v.state())
	}
	return nil
}

func (c Cluster) nodesAsTheAPISays(ctx context.Context) map[string]string {
	said := map[string]string{}
	client, err := c.client()
	if err != nil {
		return said
	}
	list, err := client.Nodes(ctx)
	if err != nil {
		return said
	}
	for _, n := range list {
		said[n.Name] = "not ready: " + n.Why
		if n.Ready {
			said[n.Name] = "ready"
		}
	}
	return said
}

// nodeFaults lists the faults in force, then what the API server last heard.
func nodeFaults(n node.Node, said string) []string {
	var faults []string
	switch {
	case !spawn.Alive(n.Name, node.Containerd):
		faults = append(faults, "STOPPED")
	case cgroup.Frozen(n.Name):
		faults = append(faults, "FROZEN")
	default:
		for _, p := range n.Processes() {
			if !spawn.Alive(p.Unit, p.Name) {
				faults = append(faults, p.Name+" HAS ENDED (`localcluster up` starts it again)")
			}
		}
	}
	if network.Isolated(n.Name) {
		faults = append(faults, "ISOLATED")
	}
	if said != "" {
		faults = append(faults, "for the API server "+said)
	}
	return faults
}

func (v mountedVolume) state() string {
	switch {
	case v.stalled():
		return "STALLED"
	case disk.Filled(v.path):
		return "FILLED"
	}
	return "in use"
}
