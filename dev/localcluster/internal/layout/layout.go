// Package layout is the one place for the cluster's names, paths and addresses. It touches
// nothing: whatever has to be agreed on between two parts of the local cluster is written here.
package layout

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
)

// Name is what everything of the cluster on the machine is called, so that a person who finds a
// cgroup, a namespace or an interface knows where it comes from.
const Name = "localcluster"

// OwnerFile names the state directory of the machine's one cluster. It lies in /run because it
// must not outlive a reboot, which the cluster does not outlive either.
const OwnerFile = "/run/localcluster.owner"

// LockFile is held by every command that changes the cluster.
const LockFile = "/run/localcluster.lock"

// Dir is a state directory, usually `.local` in the checkout.
type Dir string

func (d Dir) path(parts ...string) string {
	return filepath.Join(append([]string{string(d)}, parts...)...)
}

// Kubeconfig is the administrator's.
func (d Dir) Kubeconfig() string { return d.path("kubeconfig") }

// Logs holds a file per process; it is kept by `down`, for whoever wants to know what happened.
func (d Dir) Logs() string { return d.path("logs") }

// Log is the log of one process of a unit: "node-1", "kubelet".
func (d Dir) Log(unit, process string) string { return d.path("logs", unit, process+".log") }

// State holds everything that `down` removes.
func (d Dir) State() string { return d.path("cluster") }

// Settings remembers what `up` was asked for.
func (d Dir) Settings() string { return d.path("cluster", "settings.json") }

// PKI holds keys, certificates and the kubeconfigs of the servers.
func (d Dir) PKI() string { return d.path("cluster", "pki") }

// Etcd is etcd's data directory.
func (d Dir) Etcd() string { return d.path("cluster", "etcd") }

// Images holds the archives of the images that every node gets.
func (d Dir) Images() string { return d.path("cluster", "images") }

// Volumes holds an image file per persistent volume.
func (d Dir) Volumes() string { return d.path("cluster", "volumes") }

// Node is the disk of one node: containerd's and the kubelet's data and configuration.
func (d Dir) Node(name string) string { return d.path("cluster", "nodes", name) }

// Nodes holds the disks of all nodes.
func (d Dir) Nodes() string { return d.path("cluster", "nodes") }

// ServerKubeconfig is how one server of the cluster talks to the API server.
func (d Dir) ServerKubeconfig(server string) string {
	return d.path("cluster", "pki", server+".kubeconfig")
}

// NodeName is the name of the node with this number, counted from 1.
func NodeName(number int) string { return "node-" + strconv.Itoa(number) }

var nodeName = regexp.MustCompile(`^node-([1-9][0-9]?)$`)

// NodeNumber is the number in a node's name.
func NodeNumber(name string) (int, error) {
	match := nodeName.FindStringSubmatch(name)
	if match == nil {
		return 0, fmt.Errorf("%q is not the name of a node: they are called node-1, node-2, …", name)
	}
	return strconv.Atoi(match[1])
}
