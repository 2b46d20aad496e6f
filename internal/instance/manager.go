package instance

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/certificates"
	"github.com/timonier-io/timonier/internal/instance/endpoints"
	"github.com/timonier-io/timonier/internal/instance/logs"
	"github.com/timonier-io/timonier/internal/instance/metrics"
	"github.com/timonier-io/timonier/internal/instance/peers"
	"github.com/timonier-io/timonier/internal/instance/programs"
	"github.com/timonier-io/timonier/internal/instance/server"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instance/volumes"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/kubeapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// Manager is the instance manager. What is below "the loop's" belongs to the goroutine of Run alone.
type Manager struct {
	options   Options
	log       *slog.Logger
	sink      *logs.Sink
	stream    *logs.Stream
	startedAt time.Time
	hash      string // of this program

	children      *supervisor.Children
	programs      programs.Programs
	certificates  *certificates.Store
	leases        kubeapi.Leases
	publisher     *endpoints.Publisher
	statuses      *peers.Poller
	peers         *peers.Heartbeats
	sql           *server.Server
	configuration *configurations
	metrics       *metrics.Handler
	measures      *metrics.Availability
	writes        *volumes.WriteProbe

	wakeUp     chan struct{}
	commands   chan func()
	watched    atomic.Pointer[watchedLease]
	published  atomic.Pointer[instanceapi.Status]
	beat       atomic.Pointer[toldBeat]
	led        atomic.Pointer[lead] // nil while this instance does not hold the Lease
	seenState  atomic.Pointer[metrics.State]
	turnedAt   atomic.Int64                                           // when the loop last turned, in nanoseconds since startedAt: no step of the clock is in it
	acceptedAt atomic.Int64                                           // when the update of the Lease by this holder was sent that was accepted last, in nanoseconds since startedAt
	overrides  atomic.Pointer[instanceapi.SynchronousCommitOverrides] // as the leader's catalogue has them; nil while it was not looked at
	cancelled  atomic.Int64                                           // commits that did not wait for their standbys, since cancelledSince
	fatal      lastFatal
	applying   sync.Mutex // one configuration, restart or upgrade at a time

	// The loop's.
	listen    func(names []string) // to the heartbeats of these, from now on
	lease     leaseView
	lock      *volumes.Lock // nil until the volumes are this manager's alone
	contents  volumes.Contents
	inspected bool
	unread    bool          // they could not be read when a server was adopted that runs over them
	saving    chan struct{} // closed once the identity that is written beside the loop is; nil for none
	unsaved   bool          // the identity has news that is not written down
	highest   int64         // highest revision of the Lease that was seen, also where it is not on disk yet
	leaseCall *leaseCall
	refusal   refusal // of the Lease's last write that was refused
	// turnedAway: the API's last answer was that it does not know this instance, or grants it nothing.
	turnedAway bool
	// revisionSince is when the present revision was written, for its writer, or first read.
	revisionSince time.Time
	apiFailed     time.Time // when the API server last did not answer
	apiAnswered   time.Time // when it last did, or this program was started
	cutOffSince   time.Time // since when not enough members are heard, zero while they are
	unsettled     int64     // revision over which this instance sent what may yet land; neverRead before that is known
	// unsettledQuorum is the like for updates that would have published another quorum.
	unsettledQuorum int64
	process         process
	rendering       rendering
	room            room
	endedAt         time.Time // when the last server ended: of what was read before, it may still have confirmed more
	compared        comparison
	leading         leading
	leaving         string       // why it gives the Lease up, "" for no
	handing         *handingOver // a handover that is under way, nil for none
	passed          *handingOver // the one that was passed on, until its successor is open
	cancelledSince  time.Time    // when cancelled began at 0
	takeover        *takeover    // that this instance takes part in, nil for none
	stalled         bool         // the probe of the write path that is under way was counted
	probes          atomic.Bool  // the write path is probed: this instance holds the Lease, whatever its server does
	following       following
	unfed           atomic.Bool // it counts as not ready, for it gets no WAL
	reprieve        reprieve
	ending          bool      // PID 1 was asked to end
	waitsUntil      time.Time // until when it waits for somebody to hand over to
	handedOnce      bool      // it has begun to hand over before its end
	replacing       bool      // another build of this program is about to take its place
	forced          time.Time // when a forced promotion was asked for
	doubt           doubt
	reach           reach
	job             *job
	failed          map[string]failures // of a job since it was done last, by its name
	step            election.Step
	decided         election.Step     // what was decided last; step is that, or what is waited for before it
	problem         string            // why the step cannot be carried out now
	held            map[string]string // what was logged of problems since there was none, by what was being done
	version         string            // of PostgreSQL's programs
}

// New prepares a manager; Run does the work.
func New(options Options) (*Manager, error) {
	options = options.Defaults()
	m := &Manager{
		options: options, startedAt: time.Now(), children: supervisor.NewChildren(),
		wakeUp: make(chan struct{}, 1), commands: make(chan func()), failed: map[string]failures{}, unsettled: neverRead, apiAnswered: time.Now(),
		held:  map[string]string{},
		doubt: doubt{holderSince: time.Now(), heardAt: time.Now()},
	}
	m.measures, m.cancelledSince = metrics.NewAvailability(), m.startedAt
	m.sink = logs.NewSink(options.Output, time.Now)
	m.log = slog.New(slog.NewJSONHandler(m.sink, nil)).With("logger", "timonier")
	for _, directory := range []string{options.socketDirectory(), options.keyDirectory(), options.inRun("candidate")} {
		if err := os.MkdirAll(directory, 0o700); err != nil {
			return nil, fmt.Errorf("preparing %s: %w", options.RunDirectory, err)
		}
	}
	environment, err := programs.Environment(options.RunDirectory, os.Getuid(), os.Getgid(), options.Environment)
	if err != nil {
		return nil, err
	}
	environment = append(environment, "PGSERVICEFILE="+options.serviceFile())
	m.programs = programs.Programs{Directory: options.ProgramDirectory, Environment: environment, Runner: m.children}
	client, err := kubeapi.New(options.Kubernetes)
	if err != nil {
		return nil, err
	}
	m.leases = client.Leases(options.Namespace)
	m.publisher = endpoints.NewPublisher(client.EndpointSlices(options.Namespace), options.Cluster, options.Namespace, m.log)
	m.certificates = certificates.NewStore(options.CertificateDirectory, options.keyDirectory())
	asking := peers.Options{
		Address: options.PeerAddress,
		TLS: func(instance string) *tls.Config {
			return m.certificates.ClientConfig(naming.InstanceHost(options.Cluster, options.Namespace, instance))
		},
		Answered: m.wake, Now: time.Now,
	}
	m.statuses, m.peers = peers.New(asking), peers.NewHeartbeats(asking)
	m.sql = &server.Server{SocketDirectory: options.socketDirectory(), Port: naming.PortPostgres}
	m.metrics = metrics.New(m.metricsOptions())
	m.writes = volumes.NewWriteProbe(options.Volumes, m.measureWrite)
	if m.configuration, err = loadConfigurations(options.Volumes.Data); err != nil {
		return nil, err
	}
	if m.hash, err = fileHash("/proc/self/exe"); err != nil {
		return nil, fmt.Errorf("hashing this program: %w", err)
	}
	m.publish()
	return m, nil
}

func (m *Manager) metricsOptions() metrics.Options {
	measured := map[string]string{"data": m.options.Volumes.Data}
	if m.options.Volumes.WAL != "" {
		measured["wal"] = m.options.Volumes.WAL
	}
	return metrics.Options{
		Connect: func(ctx context.Context) (*pgx.Conn, error) {
			return m.sql.Connect(ctx, naming.MonitorRole, "postgres")
		},
		Instance: m.options.Instance, Cluster: m.options.Cluster, Volumes: measured,
		Availability: m.measures, State: m.metricsState,
		Report: func(err error) { m.log.Warn("metrics are incomplete", "error", err.Error()) },
	}
}

// wake lets the loop turn now.
func (m *Manager) wake() {
	select {
	case m.wakeUp <- struct{}{}:
	default: // it is about to
	}
}

// do runs f inside the loop and waits for it.
func (m *Manager) do(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	select {
	case m.commands <- func() { done <- f() }:
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-done
}
