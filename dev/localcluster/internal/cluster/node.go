package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/timonier-io/timonier/dev/localcluster/internal/cgroup"
	"github.com/timonier-io/timonier/dev/localcluster/internal/network"
	"github.com/timonier-io/timonier/dev/localcluster/internal/node"
	"github.com/timonier-io/timonier/dev/localcluster/internal/spawn"
)

// NodeVerbs are the faults of a node by name; each has its undoing beside it.
var NodeVerbs = map[string]func(Cluster, context.Context, node.Node) error{
	"stop":    Cluster.nodeStop,
	"start":   Cluster.nodeStart,
	"freeze":  Cluster.nodeFreeze,
	"thaw":    Cluster.nodeThaw,
	"isolate": Cluster.nodeIsolate,
	"rejoin":  Cluster.nodeRejoin,
}

// Node runs one of NodeVerbs.
func (c Cluster) Node(ctx context.Context, verb, name string) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	n, err := c.node(name)
	if err != nil {
		return err
	}
	return NodeVerbs[verb](c, ctx, n)
}

func (c Cluster) nodeStop(ctx context.Context, n node.Node) error {
	// A volume that is stalled would hold its processes back.
	if err := c.releaseOn(n.Name); err != nil {
		return err
	}
	if err := node.Stop(ctx, n.Name); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "%s has no power. Start it again with `localcluster node start %s`.\n", n.Name, n.Name)
	return nil
}

// nodeStart returns when the cluster finds the node ready. Where the API server does not answer, the
// daemons are all there is to start.
func (c Cluster) nodeStart(ctx context.Context, n node.Node) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if cgroup.Frozen(n.Name) {
		return fmt.Errorf("%s is frozen, not stopped: `localcluster node thaw %s`", n.Name, n.Name)
	}
	s, err := c.settings()
	if err != nil {
		return err
	}
	atOnce := func(context.Context) error { return nil } // the kubelet itself waits for the API server
	if err := n.Start(ctx, s.Nodes, c.images(), atOnce); err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := client.Ready(ctx); err != nil {
		fmt.Fprintf(c.Out, "%s runs; whether it is ready cannot be told, as the API server does not answer.\n", n.Name)
		return nil
	}
	if err := until(ctx, func() error { return client.NodeReady(ctx, n.Name) }); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "%s is ready.\n", n.Name)
	return nil
}

func (c Cluster) nodeFreeze(ctx context.Context, n node.Node) error {
	if err := c.mustRun(n); err != nil {
		return err
	}
	if err := cgroup.Freeze(ctx, n.Name); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "%s hangs. Let it go on with `localcluster node thaw %s`.\n", n.Name, n.Name)
	return nil
}

func (c Cluster) nodeThaw(ctx context.Context, n node.Node) error {
	if err := c.mustRun(n); err != nil {
		return err
	}
	return cgroup.Thaw(ctx, n.Name)
}

func (c Cluster) nodeIsolate(ctx context.Context, n node.Node) error {
	if err := c.mustRun(n); err != nil {
		return err
	}
	if err := network.Isolate(ctx, n.Name); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "%s is cut off. Plug it in again with `localcluster node rejoin %s`.\n", n.Name, n.Name)
	return nil
}

func (c Cluster) nodeRejoin(ctx context.Context, n node.Node) error {
	if err := c.mustRun(n); err != nil {
		return err
	}
	return network.Rejoin(ctx, n.Name)
}

func (c Cluster) mustRun(n node.Node) error {
	if !spawn.Alive(n.Name, node.Containerd) {
		return fmt.Errorf("%s is stopped: `localcluster node start %s`", n.Name, n.Name)
	}
	return nil
}
