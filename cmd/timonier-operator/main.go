// timonier-operator turns Timonier's resources into pods, volumes, services,
// secrets and certificates. Flags become options here; nothing else is done.
package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/timonier-io/timonier/internal/operator"
	"github.com/timonier-io/timonier/internal/version"
)

func main() {
	if err := command().Execute(); err != nil {
		os.Exit(1)
	}
}

func command() *cobra.Command {
	options := operator.Options{}
	command := &cobra.Command{
		Use:           "timonier-operator",
		Short:         "Runs PostgreSQL clusters on Kubernetes",
		Version:       version.String(),
		SilenceUsage:  true,
		SilenceErrors: false,
		Args:          cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			options.Logger = slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("version", version.String())
			config, err := ctrl.GetConfig()
			if err != nil {
				return fmt.Errorf("finding the Kubernetes API: %w", err)
			}
			return operator.Run(ctrl.SetupSignalHandler(), config, options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.Namespace, "namespace", "timonier-system", "namespace that the operator runs in")
	flags.StringVar(&options.PodName, "pod-name", "", "the operator's own pod, by which it finds its image")
	flags.StringVar(&options.ManagerImage, "manager-image", "", "image from which the instance manager is copied into pods (default: the operator's own)")
	flags.StringVar(&options.ManagerProgram, "manager-program", "/timonier-instance", "the instance manager in this image")
	flags.StringToStringVar(&options.PostgresImages, "postgres-image", nil, "image by major version, as 17=registry.example/postgres:17 (default: beside the operator's own image); the Platform goes before it")
	flags.DurationVar(&options.AuthorityLifetime, "authority-lifetime", 0, "lifetime of a cluster's certificate authorities (0 for the default)")
	flags.DurationVar(&options.CertificateLifetime, "certificate-lifetime", 0, "lifetime of the certificates they sign (0 for the default)")
	flags.IntVar(&options.Workers, "workers", 8, "clusters reconciled at the same time")
	flags.StringVar(&options.MetricsAddress, "metrics-address", ":8080", "address to serve metrics on")
	flags.StringVar(&options.ProbeAddress, "probe-address", ":8081", "address to serve probes on")
	return command
}
