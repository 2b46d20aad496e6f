package instance

import (
	"io"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/timonier-io/timonier/internal/instance/volumes"
	"github.com/timonier-io/timonier/internal/kubeapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// Options of an instance manager; cmd/timonier-instance makes them of the pod's environment.
type Options struct {
	Cluster, Namespace, Instance string
	// PodIP at which others reach this instance, and Node that it runs on.
	PodIP, Node string
	// Major version of PostgreSQL that the spec asks for.
	Major string

	Volumes volumes.Layout
	// RunDirectory is in memory: socket, service file, copies of keys, pipes of the log.
	RunDirectory string
	// CertificateDirectory is the mounted Secret.
	CertificateDirectory string
	// Program is this program's file, which an upgrade replaces.
	Program string
	// ProgramDirectory holds PostgreSQL's programs; "" means PATH.
	ProgramDirectory string

	Kubernetes kubeapi.Config
	// PeerAddress is where an instance's API is reached, host:port; nil means its host name in the headless Service.
	PeerAddress func(instance string) string

	// StopTimeout is how long PostgreSQL may take to stop, within the pod's grace period.
	StopTimeout time.Duration
	// Version that this program was built as.
	Version string
	// Output takes the log.
	Output io.Writer
	// Environment of this process, from which that of PostgreSQL's programs is made.
	Environment []string
	// Step is called between the steps of what must survive a crash at any of them; tests crash there. Nil does nothing.
	Step func(name string)
}

// Defaults fills what is the same in every pod.
func (o Options) Defaults() Options {
	if o.PeerAddress == nil {
		o.PeerAddress = func(instance string) string {
			return net.JoinHostPort(naming.InstanceHost(o.Cluster, o.Namespace, instance), strconv.Itoa(naming.PortAPI))
		}
	}
	if o.Step == nil {
		o.Step = func(string) {}
	}
	if o.StopTimeout == 0 {
		o.StopTimeout = 75 * time.Second // the pod's grace period is 90 s
	}
	return o
}

func (o Options) inRun(name string) string { return filepath.Join(o.RunDirectory, name) }

// Paths in the run directory.
func (o Options) socketDirectory() string { return o.inRun("socket") }
func (o Options) serviceFile() string     { return o.inRun("pg_service.conf") }
func (o Options) logDirectory() string    { return o.inRun("log") }
func (o Options) keyDirectory() string    { return o.inRun("tls") }
func (o Options) candidateFile() string   { return o.inRun("candidate/postgresql.conf") }
func (o Options) handoverFile() string    { return o.inRun("handover.json") }
