package controlplane

import (
	"github.com/timonier-io/timonier/dev/localcluster/internal/spawn"
)

// The controllers may ask as often as they like: the limits' defaults are for clusters that are
// shared, and here they would only show up as seconds in a test. There is one of each, so none
// waits to be elected leader.
var hurried = []string{"--kube-api-qps=500", "--kube-api-burst=1000", "--leader-elect=false", "--profiling=false"}

func (p Plane) controllerManager() spawn.Process {
	return p.process(ControllerManager, append([]string{
		"--kubeconfig=" + p.Dir.ServerKubeconfig(ControllerManager),
		"--authentication-kubeconfig=" + p.Dir.ServerKubeconfig(ControllerManager),
		"--authorization-kubeconfig=" + p.Dir.ServerKubeconfig(ControllerManager),
		"--bind-address=127.0.0.1", "--secure-port=0",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + p.PKI.Key("service-accounts"),
		"--root-ca-file=" + p.PKI.Cert("ca"),
		"--cluster-signing-cert-file=" + p.PKI.Cert("ca"), "--cluster-signing-key-file=" + p.PKI.Key("ca"),
		// Every node brings its own range of pods.
		"--allocate-node-cidrs=false",
		// Here the defaults of Kubernetes are kept on purpose: how long a dead node is believed to
		// be alive (40 s) is part of what the fault tests are about.
		"--pvclaimbinder-sync-period=5s",
	}, hurried...)...)
}

func (p Plane) scheduler() spawn.Process {
	return p.process(Scheduler, append([]string{
		"--kubeconfig=" + p.Dir.ServerKubeconfig(Scheduler),
		"--authentication-kubeconfig=" + p.Dir.ServerKubeconfig(Scheduler),
		"--authorization-kubeconfig=" + p.Dir.ServerKubeconfig(Scheduler),
		"--bind-address=127.0.0.1", "--secure-port=0",
	}, hurried...)...)
}

// controller provisions volumes, grows them, gives load balancers their addresses and passes on the
// nodes' requests for images.
func (p Plane) controller() spawn.Process {
	return p.process(Controller,
		"--kubeconfig="+p.Dir.ServerKubeconfig(Controller),
		"--volumes="+p.Dir.Volumes(),
	)
}
