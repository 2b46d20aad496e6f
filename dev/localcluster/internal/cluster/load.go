package cluster

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/timonier-io/timonier/dev/localcluster/internal/node"
	"github.com/timonier-io/timonier/dev/localcluster/internal/spawn"
)

// Load imports image archives into every node that runs, all at once.
func (c Cluster) Load(ctx context.Context, archives ...string) error {
	nodes, err := c.nodes()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	loaded := 0
	for _, n := range nodes {
		if !spawn.Alive(n.Name, node.Containerd) {
			fmt.Fprintf(c.Out, "%s is stopped and does not get the images.\n", n.Name)
			continue
		}
		loaded++
		group.Go(func() error { return n.Load(ctx, archives...) })
	}
	if loaded == 0 {
		return fmt.Errorf("no node runs: `localcluster up` first")
	}
	return group.Wait()
}
