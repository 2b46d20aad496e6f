package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/timonier-io/timonier/dev/localcluster/internal/cgroup"
	"github.com/timonier-io/timonier/dev/localcluster/internal/controlplane"
	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
	"github.com/timonier-io/timonier/dev/localcluster/internal/network"
	"github.com/timonier-io/timonier/dev/localcluster/internal/node"
)

// Down removes the cluster, from whatever state it is in, and everything of it on the machine but its
// logs and the programs that were built.
func (c Cluster) Down(ctx context.Context) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.checkOwner(); err != nil {
		return err
	}
	p := newProgress(c.Out)
	steps := []struct {
		name string
		do   func() error
	}{
		{"stalled volumes released", func() error { return c.releaseAll(ctx) }},
		{"processes ended", func() error { return c.stopAll(ctx) }},
		{"network removed", func() error { return c.removeNetwork(ctx) }},
		{"state removed", func() error { return c.removeState(ctx) }},
	}
	for _, s := range steps {
		if err := p.step(s.name, s.do); err != nil {
			return fmt.Errorf("%w\nrun `localcluster down` again once that is mended", err)
		}
	}
	fmt.Fprintf(c.Out, "The cluster is gone after %s. Its logs stay in %s.\n", p.total(), c.Dir.Logs())
	return nil
}

// stopAll ends every process by its cgroup, so also those of a cluster whose state is lost.
func (c Cluster) stopAll(ctx context.Context) error {
	// The controllers first: none of them shall react to nodes that vanish.
	if err := cgroup.Kill(ctx, controlplane.Unit); err != nil {
		return err
	}
	units := map[string]bool{}
	for _, unit := range append(cgroup.Units(), network.Plugged()...) {
		units[unit] = unit != controlplane.Unit
	}
	var group errgroup.Group
	for unit, isNode := range units {
		if isNode {
			group.Go(func() error { return node.Stop(ctx, unit) })
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return cgroup.Remove(ctx)
}

func (c Cluster) removeNetwork(ctx context.Context) error {
	if err := network.DeleteBridge(ctx); err != nil {
		return err
	}
	return network.ForgetNamespaces()
}

// removeState waits for the kernel to let go of the volumes before their images are deleted.
func (c Cluster) removeState(ctx context.Context) error {
	if err := c.waitForDetach(ctx); err != nil {
		return err
	}
	for _, path := range []string{c.Dir.State(), c.Dir.Kubeconfig()} {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("removing the cluster's state: %w", err)
		}
	}
	for _, path := range []string{layout.OwnerFile, layout.LockFile} {
		if err := unix.Unlink(path); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("removing %s: %w", path, err)
		}
	}
	return nil
}
