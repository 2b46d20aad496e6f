// Package controlplane describes the processes that run on the host, one file per kind: etcd, the
// API server, the controllers and the scheduler, and the cluster's own controller for volumes and
// load balancers. It decides their arguments and nothing else.
package controlplane

import (
	"path/filepath"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
	"github.com/timonier-io/timonier/dev/localcluster/internal/pki"
	"github.com/timonier-io/timonier/dev/localcluster/internal/spawn"
)

// Unit is the cgroup of the control plane.
const Unit = "control-plane"

// Names of the processes, in the order in which they start.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Controller        = "localcluster-controller"
)

// Plane is the control plane of one state directory.
type Plane struct {
	Dir layout.Dir
	// Bin holds the programs.
	Bin string
	PKI *pki.Authority
}

func (p Plane) process(name string, args ...string) spawn.Process {
	return spawn.Process{
		Unit: Unit, Name: name,
		Command: append([]string{filepath.Join(p.Bin, name)}, args...),
		Log:     p.Dir.Log(Unit, name),
	}
}

// Processes lists the control plane in the order in which it starts.
func (p Plane) Processes() []spawn.Process {
	return []spawn.Process{p.etcd(), p.APIServer(), p.controllerManager(), p.scheduler(), p.controller()}
}

// Certificates issues what the control plane's processes identify themselves with.
func (p Plane) Certificates() error {
	servers := []struct {
		name, user, group string
		hosts             []string
	}{
		{name: Etcd, user: Etcd, hosts: []string{layout.HostAddress, "127.0.0.1"}},
		{name: APIServer, user: APIServer, hosts: []string{
			layout.HostAddress, layout.KubernetesService, "127.0.0.1", "localhost",
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + layout.Domain,
		}},
		{name: "apiserver-to-kubelet", user: "kube-apiserver-kubelet-client", group: "system:masters"},
		{name: "front-proxy", user: "front-proxy-client"},
		{name: "service-accounts", user: "service-accounts"}, // only its key is used, to sign tokens
		{name: "admin", user: "admin", group: "system:masters"},
		{name: ControllerManager, user: "system:kube-controller-manager"},
		{name: Scheduler, user: "system:kube-scheduler"},
		{name: Controller, user: "system:" + Controller, group: "system:masters"},
		{name: "kube-proxy", user: "system:kube-proxy"},
	}
	for _, s := range servers {
		if err := p.PKI.Issue(s.name, s.user, s.group, s.hosts...); err != nil {
			return err
		}
	}
	for _, s := range []string{ControllerManager, Scheduler, Controller, "kube-proxy"} {
		if err := p.PKI.WriteKubeconfig(p.Dir.ServerKubeconfig(s), layout.APIServer, s); err != nil {
			return err
		}
	}
	return p.PKI.WriteKubeconfig(p.Dir.Kubeconfig(), layout.APIServer, "admin")
}
