package node

import (
	"context"

	"github.com/timonier-io/timonier/dev/localcluster/internal/cgroup"
	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
	"github.com/timonier-io/timonier/dev/localcluster/internal/network"
)

// Stop cuts a node's power. The cable goes first: processes that die close their connections, and
// a machine without power tells nobody. Its disk stays, so that it can be started again.
func Stop(ctx context.Context, name string) error {
	if network.Exists(layout.Link(name)) {
		if err := network.Isolate(ctx, name); err != nil {
			return err
		}
	}
	if err := cgroup.Kill(ctx, name); err != nil {
		return err
	}
	if err := network.Unplug(ctx, name); err != nil {
		return err
	}
	return cgroup.Remove(ctx, name)
}
