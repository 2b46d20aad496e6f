package main

import (
	"fmt"
	"os"

	"github.com/timonier-io/timonier/internal/instance"
	"github.com/timonier-io/timonier/internal/instance/programs"
	"github.com/timonier-io/timonier/internal/instance/volumes"
	"github.com/timonier-io/timonier/internal/kubeapi"
)

// Paths within the pod, which internal/desired mounts.
const (
	pathData         = "/var/lib/timonier/data"
	pathWAL          = "/var/lib/timonier/wal"
	pathRun          = "/run/timonier"
	pathCertificates = "/etc/timonier/certificates"
	pathProgram      = "/opt/timonier/timonier-instance"
)

// optionsFrom reads the environment that internal/desired gives the pod.
func optionsFrom(environment func(string) string) (instance.Options, error) {
	options := instance.Options{
		Volumes:      volumes.Layout{Data: pathData},
		RunDirectory: pathRun, CertificateDirectory: pathCertificates, Program: pathProgram,
		Kubernetes: kubeapi.InCluster(environment("KUBERNETES_SERVICE_HOST"), environment("KUBERNETES_SERVICE_PORT")),
	}
	for name, target := range map[string]*string{
		"TIMONIER_CLUSTER": &options.Cluster, "TIMONIER_NAMESPACE": &options.Namespace, "TIMONIER_INSTANCE": &options.Instance,
		"TIMONIER_POD_IP": &options.PodIP, "TIMONIER_NODE": &options.Node, "TIMONIER_POSTGRES_VERSION": &options.Major,
	} {
		if *target = environment(name); *target == "" {
			return instance.Options{}, fmt.Errorf("%s is not set; this program runs in a pod that the operator made", name)
		}
	}
	// The pod has the mount only where the cluster has a WAL volume.
	if info, err := os.Stat(pathWAL); err == nil && info.IsDir() {
		options.Volumes.WAL = pathWAL
	}
	options.ProgramDirectory = programs.Find(options.Major)
	options.Step = crashPoint(environment)
	return options, nil
}
