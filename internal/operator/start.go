package operator

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/timonier-io/timonier/internal/operator/settings"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
	"github.com/timonier-io/timonier/internal/version"
)

const (
	// settingsName is the ConfigMap, in the operator's namespace, that holds settings; it need not exist.
	settingsName = "timonier-operator"
	// settingsEvery is how often it is read again.
	settingsEvery = 10 * time.Second
	// pathSettings is where the settings in force are served, beside the metrics.
	pathSettings = "/settings"
)

// +kubebuilder:rbac:groups="",resources=configmaps,resourceNames=timonier-operator,namespace=timonier-system,verbs=get

// Start runs the operator, by what flags, environment and ConfigMap say, until the context ends.
func Start(ctx context.Context, config *rest.Config, flags *pflag.FlagSet, environment func(string) (string, bool), out io.Writer) error {
	started, err := settings.Load(flags, environment, nil)
	if err != nil {
		return err
	}
	read, err := settingsReader(config, started.Values.Namespace)
	if err != nil {
		return err
	}
	data, err := read(ctx)
	if err != nil {
		return fmt.Errorf("reading the ConfigMap %s of settings: %w", settingsName, err)
	}
	if started, err = settings.Load(flags, environment, data); err != nil {
		return err
	}
	store := settings.NewStore(started)
	logger := slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: store})).With("version", version.String())
	for _, setting := range started.Sources {
		if setting.Source != settings.SourceDefault || setting.NotInForce != "" {
			logger.Info("setting", "name", setting.Name, "value", setting.Value, "source", setting.Source, "notInForce", setting.NotInForce, "why", setting.Why)
		}
	}
	options := optionsOf(store)
	options.Logger, options.settings, options.readSettings = logger, store, read
	return Run(ctx, config, options)
}

// settingsReader reads the ConfigMap from the API server; nil data where there is none.
func settingsReader(config *rest.Config, namespace string) (func(context.Context) (map[string]string, error), error) {
	reader, err := client.New(config, client.Options{})
	if err != nil {
		return nil, fmt.Errorf("reaching the Kubernetes API: %w", err)
	}
	return func(ctx context.Context) (map[string]string, error) {
		found := &corev1.ConfigMap{}
		err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: settingsName}, found)
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return found.Data, err
	}, nil
}

// optionsOf the settings in force. What is live is asked for each time.
func optionsOf(store *settings.Store) Options {
	values := store.Get()
	return Options{
		Namespace: values.Namespace, PodName: values.PodName, ManagerImage: values.ManagerImage, ManagerProgram: values.ManagerProgram,
		PostgresImages: values.PostgresImages, AuthorityLifetime: values.AuthorityLifetime, CertificateLifetime: values.CertificateLifetime,
		Workers: values.Workers, MetricsAddress: values.MetricsAddress, ProbeAddress: values.ProbeAddress,
		Policy: func() quarantine.Policy {
			now := store.Get()
			policy := quarantine.DefaultPolicy()
			policy.MaxRetries, policy.After = int32(now.MaxRetries), now.QuarantineAfter //nolint:gosec // the setting is bounded
			policy.Interval, policy.Longest = now.ProbeInterval, now.ProbeIntervalMax
			return policy
		},
	}
}

// addSettings has the ConfigMap followed, and what is in force shown. An operator that waits for its turn to lead follows it too.
func addSettings(manager ctrl.Manager, options Options) error {
	if options.settings == nil {
		return nil
	}
	if err := metrics.Registry.Register(settings.NewCollector(options.settings)); err != nil {
		return fmt.Errorf("metrics of settings: %w", err)
	}
	return manager.Add(always(func(ctx context.Context) error {
		return options.settings.Follow(ctx, options.readSettings, settingsEvery, options.Logger)
	}))
}

// always is what runs whether or not this operator leads.
type always func(ctx context.Context) error

// Start is manager.Runnable's.
func (a always) Start(ctx context.Context) error { return a(ctx) }

// NeedLeaderElection is manager.LeaderElectionRunnable's.
func (always) NeedLeaderElection() bool { return false }

// settingsPage is served beside the metrics; nil where there are no settings to show.
func settingsPage(options Options) map[string]http.Handler {
	if options.settings == nil {
		return nil
	}
	return map[string]http.Handler{pathSettings: options.settings.Handler()}
}
