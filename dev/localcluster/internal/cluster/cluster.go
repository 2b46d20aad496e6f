// Package cluster is what the commands do, a file per verb: up.go, down.go, status.go, load.go, and
// the faults in node.go, link.go, api.go and volume.go.
package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/timonier-io/timonier/dev/localcluster/internal/api"
	"github.com/timonier-io/timonier/dev/localcluster/internal/controlplane"
	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
	"github.com/timonier-io/timonier/dev/localcluster/internal/node"
	"github.com/timonier-io/timonier/dev/localcluster/internal/pki"
)

// Cluster is the cluster of one state directory, whether it runs or not.
type Cluster struct {
	Dir layout.Dir
	// Bin holds the programs that were built.
	Bin string
	// Out gets what is said to the person at the terminal.
	Out io.Writer
}

// settings is what `up` was asked for, kept for the other commands.
type settings struct {
	Nodes int `json:"nodes"`
}

func (c Cluster) settings() (settings, error) {
	var s settings
	data, err := os.ReadFile(c.Dir.Settings())
	if errors.Is(err, os.ErrNotExist) {
		return s, fmt.Errorf("there is no cluster in %s: run `localcluster up`", c.Dir)
	}
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return s, fmt.Errorf("reading the cluster's settings: %w", err)
	}
	return s, nil
}

func (c Cluster) writeSettings(s settings) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.Dir.Settings()), 0o755); err != nil {
		return fmt.Errorf("making the state directory: %w", err)
	}
	if err := os.WriteFile(c.Dir.Settings(), data, 0o644); err != nil {
		return fmt.Errorf("writing the cluster's settings: %w", err)
	}
	return nil
}

// node returns one of the cluster's nodes by name.
func (c Cluster) node(name string) (node.Node, error) {
	s, err := c.settings()
	if err != nil {
		return node.Node{}, err
	}
	number, err := layout.NodeNumber(name)
	if err != nil {
		return node.Node{}, err
	}
	if number > s.Nodes {
		return node.Node{}, fmt.Errorf("the cluster has no %s: its nodes are node-1 to %s", name, layout.NodeName(s.Nodes))
	}
	authority, err := pki.Open(c.Dir.PKI())
	if err != nil {
		return node.Node{}, err
	}
	return node.Node{Name: name, Number: number, Dir: c.Dir, Bin: c.Bin, PKI: authority}, nil
}

// nodes returns all of the cluster's nodes.
func (c Cluster) nodes() ([]node.Node, error) {
	s, err := c.settings()
	if err != nil {
		return nil, err
	}
	nodes := make([]node.Node, s.Nodes)
	for i := range nodes {
		if nodes[i], err = c.node(layout.NodeName(i + 1)); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

func (c Cluster) plane() (controlplane.Plane, error) {
	authority, err := pki.Open(c.Dir.PKI())
	return controlplane.Plane{Dir: c.Dir, Bin: c.Bin, PKI: authority}, err
}

// client speaks to the API server as the administrator.
func (c Cluster) client() (*api.Client, error) { return api.New(c.Dir.Kubeconfig()) }

// Kubeconfig says where the administrator's kubeconfig is.
func (c Cluster) Kubeconfig(context.Context) error {
	if _, err := c.settings(); err != nil {
		return err
	}
	fmt.Fprintln(c.Out, c.Dir.Kubeconfig())
	return nil
}
