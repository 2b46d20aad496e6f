// timonier-operator turns Timonier's resources into pods, volumes, services,
// secrets and certificates. Flags become settings here; nothing else is done.
package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/timonier-io/timonier/internal/operator"
	"github.com/timonier-io/timonier/internal/operator/settings"
	"github.com/timonier-io/timonier/internal/version"
)

func main() {
	// Go samples what allocates as soon as a program holds the reader of that, as the manager's library does. Nobody can read it here, and it costs some MiB.
	runtime.MemProfileRate = 0
	if err := command().Execute(); err != nil {
		os.Exit(1)
	}
}

func command() *cobra.Command {
	command := &cobra.Command{
		Use:           "timonier-operator",
		Short:         "Runs PostgreSQL clusters on Kubernetes",
		Version:       version.String(),
		SilenceUsage:  true,
		SilenceErrors: false,
		Args:          cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := ctrl.GetConfig()
			if err != nil {
				return fmt.Errorf("finding the Kubernetes API: %w", err)
			}
			return operator.Start(ctrl.SetupSignalHandler(), config, command.Flags(), os.LookupEnv, os.Stdout)
		},
	}
	settings.AddFlags(command.Flags())
	return command
}
