package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/timonier-io/timonier/dev/localcluster/internal/cgroup"
	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
	"github.com/timonier-io/timonier/dev/localcluster/internal/network"
	"github.com/timonier-io/timonier/dev/localcluster/internal/spawn"
)

// Start boots a node of a cluster with so many nodes: its network, its daemons that do not run yet,
// and the given images. Its kubelet starts once waitForAPI returns. Start returns when the daemons
// run; whether the cluster finds the node ready is for the caller to ask.
func (n Node) Start(ctx context.Context, nodes int, images []string, waitForAPI func(context.Context) error) error {
	if err := n.configure(); err != nil {
		return err
	}
	if err := cgroup.CreateUnit(n.Name); err != nil {
		return err
	}
	if len(cgroup.Processes(n.Name)) == 0 {
		// A node boots with a new network: one that is there was left by processes that somebody killed.
		if err := network.Unplug(ctx, n.Name); err != nil {
			return err
		}
	}
	if err := network.Plug(ctx, n.Number, nodes); err != nil {
		return err
	}
	for _, p := range n.Processes() {
		if err := startDaemon(ctx, p, waitForAPI); err != nil {
			return err
		}
		if p.Name == Containerd {
			// The images come before the kubelet, or its first pods would fail and back off.
			if err := n.loadOnce(ctx, p, images); err != nil {
				return err
			}
		}
	}
	return nil
}

// startDaemon unless it runs.
func startDaemon(ctx context.Context, p spawn.Process, waitForAPI func(context.Context) error) error {
	if spawn.Alive(p.Unit, p.Name) {
		return nil
	}
	if p.Name == Kubelet {
		if err := waitForAPI(ctx); err != nil {
			return err
		}
	}
	return spawn.Start(p)
}

// loadOnce loads the images that the node does not have yet in this version. Whether containerd runs
// tells nothing about that: an `up` may have been killed in between.
func (n Node) loadOnce(ctx context.Context, containerd spawn.Process, images []string) error {
	for _, archive := range images {
		info, err := os.Stat(archive)
		if err != nil {
			return fmt.Errorf("loading an image: %w", err)
		}
		mark, version := "loaded/"+filepath.Base(archive), info.ModTime().String()
		if loaded, err := os.ReadFile(n.disk(mark)); err == nil && string(loaded) == version {
			continue
		}
		if err := spawn.Wait(ctx, containerd, n.containerdAnswers); err != nil {
			return err
		}
		if err := n.Load(ctx, archive); err != nil {
			return err
		}
		if err := n.write(mark, version); err != nil {
			return err
		}
	}
	return nil
}

func (n Node) containerdAnswers(ctx context.Context) error {
	_, err := spawn.Run(ctx, n.Name, nil, "ctr", "version")
	return err
}

// Load imports image archives into the node's containerd, for its kubelet to find.
func (n Node) Load(ctx context.Context, archives ...string) error {
	for _, path := range archives {
		archive, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("loading an image: %w", err)
		}
		_, err = spawn.Run(ctx, n.Name, archive, "ctr", "--namespace=k8s.io", "images", "import", "-")
		archive.Close()
		if err != nil {
			return fmt.Errorf("loading %s: %w", path, err)
		}
	}
	return nil
}

// configure writes all of the node's files.
func (n Node) configure() error {
	address := layout.NodeAddress(n.Number)
	if err := n.PKI.Issue(n.Name, "system:node:"+n.Name, "system:nodes", n.Name, address, "127.0.0.1"); err != nil {
		return err
	}
	if err := n.PKI.WriteKubeconfig(n.Dir.ServerKubeconfig(n.Name), layout.APIServer, n.Name); err != nil {
		return err
	}
	for _, dir := range []string{"lib", "log"} {
		if err := os.MkdirAll(n.disk(dir), 0o755); err != nil {
			return fmt.Errorf("making the disk of %s: %w", n.Name, err)
		}
	}
	files := map[string]string{
		"containerd.toml":                n.containerdConfig(),
		"registries/_default/hosts.toml": registryConfig(),
		"kubelet.json":                   n.kubeletConfig(),
		"kube-proxy.json":                n.kubeProxyConfig(),
		"cni/10-localcluster.conflist":   n.cniConfig(),
		"resolv.conf":                    resolvConf,
	}
	for setting, value := range kernelSettings {
		files["sysctl/"+filepath.Base(setting)] = value + "\n"
	}
	for path, content := range files {
		if err := n.write(path, content); err != nil {
			return err
		}
	}
	return nil
}
