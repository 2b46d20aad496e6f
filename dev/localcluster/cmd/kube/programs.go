package main

import (
	"context"
	"os"
	"time"
	_ "time/tzdata" // time zones of CronJobs, also on a machine without tzdata

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	remote "k8s.io/cri-client/pkg"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	// The log format flag and the client metrics are registered by import, as upstream does.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

// programs maps the name of each program to what runs it and returns its exit code.
var programs = map[string]func() int{
	"etcd":                    func() int { etcdmain.Main(os.Args); return 0 },
	"kube-apiserver":          server(apiserver.NewAPIServerCommand),
	"kube-controller-manager": server(controllermanager.NewControllerManagerCommand),
	"kube-scheduler":          server(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kube-proxy":              server(proxy.NewProxyCommand),
	"kubelet":                 runKubelet,
	"kubectl":                 runKubectl,
	// The cluster's own two are here because they share the others' libraries.
	"localcluster-controller": runController,
	"localcluster-csi":        runCSI,
}

// server runs a component whose command is built late: building it registers flags, and only
// one component's flags may exist in a process.
func server(newCommand func() *cobra.Command) func() int {
	return func() int { return cli.Run(newCommand()) }
}

// runtimeEndpoint of each node's containerd.
const runtimeEndpoint = "unix:///run/containerd/containerd.sock"

// runKubelet waits for containerd before the kubelet starts: one that comes while containerd listens but does not serve
// the kubelet's requests yet ("server is not initialized") gives up, and there is no service manager to start it again.
func runKubelet() int {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		// The client asks for the runtime's version before it is handed out.
		if _, err := remote.NewRemoteRuntimeService(runtimeEndpoint, time.Second, nil, nil); err == nil {
			break
		}
	}
	// Where it never came, the kubelet says why.
	return cli.Run(kubelet.NewKubeletCommand(context.Background()))
}

func runKubectl() int {
	logs.GlogSetter(kubectl.GetLogVerbosity(os.Args)) //nolint:errcheck // a bad -v is reported when flags are parsed
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err)
	}
	return 0
}
