// Package operator wires the operator together: one flat list of controllers,
// what is cached, and what is served. It decides nothing.
package operator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	postgresv1alpha1 "github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/controller/platform"
	"github.com/timonier-io/timonier/internal/controller/postgrescluster"
	"github.com/timonier-io/timonier/internal/controller/postgresoperation"
	"github.com/timonier-io/timonier/internal/controller/wheel"
	"github.com/timonier-io/timonier/internal/operator/settings"
	"github.com/timonier-io/timonier/internal/pki"
	"github.com/timonier-io/timonier/internal/reconcile"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
	"github.com/timonier-io/timonier/internal/version"
)

// Options of the operator; Start fills them from its settings.
type Options struct {
	// Namespace that the operator runs in: its own Lease is there.
	Namespace string
	// PodName of the operator itself, to find out which image it runs from, and to be known again after a crash; "" for none.
	PodName string
	// ManagerImage from which the instance manager is copied into pods; "" for the operator's own.
	ManagerImage string
	// ManagerProgram is the path of the instance manager in this image.
	ManagerProgram string
	// PostgresImages by major version, in place of those beside the operator's own image. The Platform goes before both.
	PostgresImages map[string]string
	// AuthorityLifetime and CertificateLifetime of clusters; zero for the defaults.
	AuthorityLifetime, CertificateLifetime time.Duration
	// Workers is how many clusters are reconciled at the same time.
	Workers int
	// MetricsAddress and ProbeAddress to listen on.
	MetricsAddress, ProbeAddress string
	// Policy is when what keeps failing goes into quarantine, where the Platform says nothing else.
	Policy func() quarantine.Policy
	// Now is the clock; nil for the system's.
	Now func() time.Time
	// Logger of everything.
	Logger *slog.Logger

	// settings that are followed and shown, by reading them again; nil for none.
	settings     *settings.Store
	readSettings func(ctx context.Context) (map[string]string, error)
}

// electionID is the name of the Lease by which one operator leads.
const electionID = "timonier-operator"

// Run runs the operator until the context ends.
func Run(ctx context.Context, config *rest.Config, options Options) error {
	ctrl.SetLogger(logr.FromSlogHandler(options.Logger.Handler()))
	pod, err := ownPod(ctx, config, options.Namespace, options.PodName)
	if err != nil {
		return err
	}
	if options.ManagerImage == "" {
		if options.ManagerImage, err = ownImage(pod); err != nil {
			return err
		}
	}
	manager, err := newManager(config, pod, options)
	if err != nil {
		return err
	}
	options.PostgresImages = postgresImages(options.ManagerImage, options.PostgresImages)
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Policy == nil {
		options.Policy = quarantine.DefaultPolicy
	}
	if err := errors.Join(addControllers(manager, options), addSettings(manager, options)); err != nil {
		return err
	}
	if err := manager.Start(ctx); err != nil {
		return fmt.Errorf("running: %w", err)
	}
	return nil
}

// addControllers is the list of all controllers.
func addControllers(manager ctrl.Manager, options Options) error {
	program, err := readProgram(options.ManagerProgram)
	if err != nil {
		return err
	}
	peer, client, err := policies(options)
	if err != nil {
		return err
	}
	clusterMetrics, err := postgrescluster.NewMetrics(metrics.Registry)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	connections := &contact.Connections{Now: options.Now}
	// What an override of the Platform names is left alone by whatever is written.
	held := &wheel.Held{}
	guarded := reconcile.Guard{Client: manager.GetClient(), LeftAlone: wheel.Reader{Client: manager.GetClient(), Held: held}.LeftAlone}
	keeper := &reconcile.Keeper{Version: version.String()}
	clusters := &postgrescluster.Reconciler{
		Client: guarded, Held: held, Live: manager.GetAPIReader(), Connections: connections,
		Events: manager.GetEventRecorder("timonier"), Metrics: clusterMetrics, Keeper: keeper, Policy: options.Policy,
		ManagerImage: options.ManagerImage, ManagerProgram: program, Images: options.PostgresImages,
		PeerPolicy: peer, ClientPolicy: client, Workers: options.Workers, Now: options.Now,
	}
	if err := clusters.SetupWithManager(manager); err != nil {
		return fmt.Errorf("controller of PostgresClusters: %w", err)
	}
	operationKeeper := &reconcile.Keeper{Version: version.String()}
	operations := &postgresoperation.Reconciler{
		Keeper: operationKeeper, Policy: options.Policy,
		Client: manager.GetClient(), Live: manager.GetAPIReader(), Connections: connections,
		Events: manager.GetEventRecorder("timonier"), Workers: options.Workers, Now: options.Now,
	}
	if err := operations.SetupWithManager(manager); err != nil {
		return fmt.Errorf("controller of PostgresOperations: %w", err)
	}
	return addPlatform(manager, options, map[string]*reconcile.Keeper{"PostgresCluster": keeper, "PostgresOperation": operationKeeper})
}

// addPlatform adds the controller that tells what prevents an upgrade, and what most resources of a kind fail by.
func addPlatform(manager ctrl.Manager, options Options, keepers map[string]*reconcile.Keeper) error {
	shared := func() map[string]quarantine.Common {
		shared := map[string]quarantine.Common{}
		for kind, keeper := range keepers {
			if common, ok := keeper.Shared(); ok {
				shared[kind] = common
			}
		}
		return shared
	}
	platformMetrics, err := platform.NewMetrics(metrics.Registry, shared)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	platforms := &platform.Reconciler{
		Client: manager.GetClient(), Events: manager.GetEventRecorder("timonier"), Version: version.String(), Shared: shared, Metrics: platformMetrics,
		Namespace: options.Namespace, Lease: electionID, Now: options.Now,
	}
	if err := platforms.SetupWithManager(manager); err != nil {
		return fmt.Errorf("controller of the Platform: %w", err)
	}
	return nil
}

// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,namespace=timonier-system,verbs=get;create;update;patch

func newManager(config *rest.Config, pod *corev1.Pod, options Options) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientscheme.AddToScheme, postgresv1alpha1.AddToScheme, platformv1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("registering kinds: %w", err)
		}
	}
	// A cluster is created with some forty calls, and 2,000 at rest need a hundred a second: the client's own brake, at any number, would
	// hold up clusters that have something to do for those that have not. The API server has fair queueing of its own, and there are never
	// more calls at the same time than workers.
	config.QPS = -1
	turn, err := leadership(config, pod, options.Namespace)
	if err != nil {
		return nil, err
	}
	// Less than the pod's grace period: what runs is cancelled and has ended, and the leadership is released, before the kubelet kills.
	endsWithin := 20 * time.Second
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		Cache:                         cacheOptions(),
		Client:                        client.Options{Cache: &client.CacheOptions{}},
		Controller:                    ctrlconfig.Controller{UsePriorityQueue: new(true)}, // what fails repeatedly, and what is at rest, comes behind
		LeaderElection:                true,
		LeaderElectionID:              electionID,
		LeaderElectionNamespace:       options.Namespace,
		LeaderElectionReleaseOnCancel: true,

		LeaderElectionResourceLockInterface: turn,

		GracefulShutdownTimeout: &endsWithin,
		Metrics:                 metricsserver.Options{BindAddress: options.MetricsAddress, ExtraHandlers: settingsPage(options)},
		HealthProbeBindAddress:  options.ProbeAddress,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up: %w", err)
	}
	if err := errors.Join(manager.AddHealthzCheck("ping", healthz.Ping), manager.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return nil, fmt.Errorf("probes: %w", err)
	}
	return manager, nil
}

// renewWithin is how long a leader may fail to renew its Lease before it ends: controller-runtime's own time.
const renewWithin = 10 * time.Second

// leadership is held in the name of the pod rather than of the process. An operator that was killed comes back in the same pod, and only once the former process
// has gone: it goes on at once, where another holder would wait for the Lease to expire. nil, which is a name for each process, outside of a pod.
func leadership(config *rest.Config, pod *corev1.Pod, namespace string) (resourcelock.Interface, error) {
	if pod == nil {
		return nil, nil
	}
	holder := resourcelock.ResourceLockConfig{Identity: pod.Name + "_" + string(pod.UID)}
	lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, namespace, electionID, holder, config, renewWithin)
	if err != nil {
		return nil, fmt.Errorf("preparing to lead: %w", err)
	}
	return lock, nil
}

func policies(options Options) (peer, client pki.Policy, err error) {
	peer, client = pki.DefaultPolicy(pki.KindPeer), pki.DefaultPolicy(pki.KindClient)
	if options.AuthorityLifetime > 0 {
		peer = pki.NewPolicy(pki.KindPeer, options.AuthorityLifetime, options.CertificateLifetime)
		client = pki.NewPolicy(pki.KindClient, options.AuthorityLifetime, options.CertificateLifetime)
	}
	if err := errors.Join(peer.Validate(), client.Validate()); err != nil {
		return peer, client, fmt.Errorf("--authority-lifetime, --certificate-lifetime: %w", err)
	}
	return peer, client, nil
}

// readProgram measures the instance manager that goes into pods.
func readProgram(path string) (postgrescluster.Program, error) {
	file, err := os.Open(path)
	if err != nil {
		return postgrescluster.Program{}, fmt.Errorf("the instance manager, which belongs into this image: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	hash := sha256.New()
	size, err := io.Copy(hash, file)
	if err != nil {
		return postgrescluster.Program{}, fmt.Errorf("reading the instance manager: %w", err)
	}
	return postgrescluster.Program{
		Hash: hex.EncodeToString(hash.Sum(nil)), Size: size,
		Open: func() (io.ReadCloser, error) { return os.Open(path) },
	}, nil
}
