package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/timonier-io/timonier/dev/localcluster/internal/addons"
	"github.com/timonier-io/timonier/dev/localcluster/internal/api"
	"github.com/timonier-io/timonier/dev/localcluster/internal/cgroup"
	"github.com/timonier-io/timonier/dev/localcluster/internal/controlplane"
	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
	"github.com/timonier-io/timonier/dev/localcluster/internal/network"
	"github.com/timonier-io/timonier/dev/localcluster/internal/node"
	"github.com/timonier-io/timonier/dev/localcluster/internal/spawn"
)

// Up brings the cluster to the wished state, whatever it is in: nothing there, half made by an `up`
// that was killed, or with faults in force, which it undoes.
func (c Cluster) Up(ctx context.Context, nodes int) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	p := newProgress(c.Out)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()

	steps := []struct {
		name string
		do   func() error
	}{
		{"machine checked", func() error { return c.checkMachine(ctx) }},
		{"network, certificates, images", func() error { return c.prepare(ctx, nodes) }},
		{"control plane ready, nodes booted", func() error { return c.boot(ctx) }},
		{"DNS and storage classes applied", func() error { return c.applyAddons(ctx) }},
		{fmt.Sprintf("%d nodes ready", nodes), func() error { return c.waitForNodes(ctx) }},
		{"DNS answers, volumes can be made", func() error { return c.waitForAddons(ctx) }},
	}
	for _, s := range steps {
		if err := p.step(s.name, s.do); err != nil {
			return fmt.Errorf("%w\n`localcluster up` goes on where this stopped, `localcluster down` removes everything", err)
		}
	}
	fmt.Fprintf(c.Out, "The cluster is up after %s. Use it with:\n  export KUBECONFIG=%s PATH=%s:$PATH\n",
		p.total(), c.Dir.Kubeconfig(), c.Bin)
	return nil
}

// prepare makes everything that is no process.
func (c Cluster) prepare(ctx context.Context, nodes int) error {
	if nodes < 1 || nodes > layout.MaxNodes {
		return fmt.Errorf("a local cluster has 1 to %d nodes, not %d", layout.MaxNodes, nodes)
	}
	if old, err := c.settings(); err == nil && old.Nodes > nodes {
		return fmt.Errorf("the cluster in %s has %d nodes and cannot shrink to %d: run `localcluster down` first", c.Dir, old.Nodes, nodes)
	}
	if err := c.own(); err != nil {
		return err
	}
	if err := c.writeSettings(settings{Nodes: nodes}); err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir.Volumes(), 0o755); err != nil {
		return fmt.Errorf("making the directory of the volumes: %w", err)
	}
	if err := network.CreateBridge(ctx); err != nil {
		return err
	}
	for file, image := range addons.Images(c.Bin) {
		if err := image.Write(filepath.Join(c.Dir.Images(), file)); err != nil {
			return err
		}
	}
	plane, err := c.plane()
	if err != nil {
		return err
	}
	return plane.Certificates()
}

// boot starts the control plane and the nodes side by side; a node's kubelet waits for the API
// server, its containerd and images do not.
func (c Cluster) boot(ctx context.Context) error {
	nodes, err := c.nodes()
	if err != nil {
		return err
	}
	if err := c.undoFaults(ctx, nodes); err != nil {
		return err
	}
	apiReady := make(chan struct{})
	waitForAPI := func(ctx context.Context) error {
		select {
		case <-apiReady:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := c.startPlane(ctx); err != nil {
			return err
		}
		close(apiReady)
		return nil
	})
	for _, n := range nodes {
		group.Go(func() error { return n.Start(ctx, len(nodes), c.images(), waitForAPI) })
	}
	return group.Wait()
}

func (c Cluster) images() []string {
	archives, _ := filepath.Glob(filepath.Join(c.Dir.Images(), "*.tar"))
	return archives
}

// undoFaults thaws and plugs in what a fault command, or a command killed half-way, left behind.
// What is stopped is started by boot.
func (c Cluster) undoFaults(ctx context.Context, nodes []node.Node) error {
	errs := []error{c.releaseAll(ctx)}
	if cgroup.Frozen(controlplane.Unit, controlplane.APIServer) {
		errs = append(errs, cgroup.Thaw(ctx, controlplane.Unit, controlplane.APIServer))
	}
	for _, n := range nodes {
		if cgroup.Frozen(n.Name) {
			errs = append(errs, cgroup.Thaw(ctx, n.Name))
		}
		if network.Isolated(n.Name) {
			errs = append(errs, network.Rejoin(ctx, n.Name))
		}
		errs = append(errs, network.MendAll(ctx, n.Name))
	}
	return errors.Join(errs...)
}

// startPlane starts what does not run of the control plane, the API server before those that would
// give up without it.
func (c Cluster) startPlane(ctx context.Context) error {
	if err := cgroup.CreateUnit(controlplane.Unit); err != nil {
		return err
	}
	plane, err := c.plane()
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	for _, p := range plane.Processes() {
		if !spawn.Alive(p.Unit, p.Name) {
			if err := spawn.Start(p); err != nil {
				return err
			}
		}
		if p.Name == controlplane.APIServer {
			if err := spawn.Wait(ctx, p, client.Ready); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c Cluster) applyAddons(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return until(ctx, func() error {
		err := addons.Apply(ctx, client)
		var refused *api.StatusError
		if errors.As(err, &refused) && refused.Code == 404 {
			return err // a namespace of the system that is not made yet
		}
		return permanent(err)
	})
}

func (c Cluster) waitForNodes(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	nodes, err := c.nodes()
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if err := until(ctx, func() error { return client.NodeReady(ctx, n.Name) }); err != nil {
			return fmt.Errorf("%w; its log is %s", err, c.Dir.Log(n.Name, node.Kubelet))
		}
	}
	return nil
}

func (c Cluster) waitForAddons(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return until(ctx, func() error { return addons.Ready(ctx, client) })
}
