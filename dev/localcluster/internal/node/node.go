// Package node describes the machines of the cluster that are not there: each is a network
// namespace, a mount namespace and four daemons, with a directory for a disk. It decides their
// configuration (containerd.go, kubelet.go, proxy.go, network.go) and starts and stops them.
package node

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
	"github.com/timonier-io/timonier/dev/localcluster/internal/pki"
	"github.com/timonier-io/timonier/dev/localcluster/internal/spawn"
)

// Names of a node's daemons, in the order in which they start.
const (
	Containerd = "containerd"
	CSI        = "localcluster-csi"
	Kubelet    = "kubelet"
	KubeProxy  = "kube-proxy"
)

// Node is one node of one state directory.
type Node struct {
	Name   string
	Number int
	Dir    layout.Dir
	// Bin holds the programs that we built.
	Bin string
	PKI *pki.Authority
}

// disk is a path on the node's disk, as the host sees it.
func (n Node) disk(parts ...string) string {
	return filepath.Join(append([]string{n.Dir.Node(n.Name)}, parts...)...)
}

// process places a daemon on the node. The programs that we built are named by their path, those of
// Debian by their name.
func (n Node) process(name string, args ...string) spawn.Process {
	program := filepath.Join(n.Bin, name)
	if name == Containerd {
		program = name
	}
	return spawn.Process{
		Unit: n.Name, Name: name, Node: n.Name, Mounts: n.mounts(),
		Command: append([]string{program}, args...),
		Log:     n.Dir.Log(n.Name, name),
	}
}

// Processes lists the node's daemons in the order in which they start.
func (n Node) Processes() []spawn.Process {
	return []spawn.Process{n.containerd(), n.csi(), n.kubelet(), n.kubeProxy()}
}

// mounts gives a node the directories that programs expect at fixed places: /run is empty, as after
// a boot, /var/lib and /var/log are on the node's own disk. The kernel settings are stand-ins with
// the values that a kubelet insists on, so that it does not change those of the machine.
func (n Node) mounts() []spawn.Mount {
	mounts := []spawn.Mount{
		{At: "/run"},
		{From: n.disk("lib"), At: "/var/lib"},
		{From: n.disk("log"), At: "/var/log"},
	}
	for name := range kernelSettings {
		mounts = append(mounts, spawn.Mount{From: n.disk("sysctl", filepath.Base(name)), At: "/proc/sys/" + name})
	}
	return mounts
}

// kernelSettings are those that a kubelet sets at its start when they differ.
var kernelSettings = map[string]string{
	"vm/overcommit_memory":     "1",
	"vm/panic_on_oom":          "0",
	"kernel/panic":             "10",
	"kernel/panic_on_oops":     "1",
	"kernel/keys/root_maxkeys": "1000000",
	// 25 bytes for each of the keys
	"kernel/keys/root_maxbytes": "25000000",
}

// write puts a file on the node's disk. One that is as it should be is left alone: a program whose configuration is written again ends, as kube-proxy does, for
// somebody to start it with the new one.
func (n Node) write(path, content string) error {
	file := n.disk(path)
	if present, err := os.ReadFile(file); err == nil && string(present) == content {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("writing %s of %s: %w", path, n.Name, err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		return fmt.Errorf("writing %s of %s: %w", path, n.Name, err)
	}
	return nil
}

// csi stages and publishes volumes on the node. It needs no API server: the kubelet tells it what to
// do over a socket.
func (n Node) csi() spawn.Process {
	return n.process(CSI, "--node="+n.Name, "--volumes="+n.Dir.Volumes())
}
