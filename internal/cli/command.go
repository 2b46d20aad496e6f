package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/version"
)

// shell is what all commands share.
type shell struct {
	place   place
	wait    bool
	timeout time.Duration
	now     func() time.Time
}

// Command is `kubectl timonier`. Errors are the caller's to print: Code tells how to end.
func Command(now func() time.Time) *cobra.Command {
	s := &shell{now: now}
	root := &cobra.Command{
		Use: "kubectl-timonier",
		// As people call it: kubectl finds the program by its name.
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl timonier"},
		Short:       "Operate PostgreSQL clusters of Timonier",
		Long: `Operate PostgreSQL clusters of Timonier.

Each operation becomes a PostgresOperation, which kubectl shows too ("kubectl get pgop"), and is kept as history.

The program ends with 0 when it is done or, of "status", when the cluster is well; 1 when it could not be asked for;
2 when it was refused, and nothing was done; 3 when it has failed or the cluster is not well; 4 when it goes on and
only the waiting has ended.`,
		Version: version.String(), SilenceUsage: true, SilenceErrors: true,
	}
	s.place.flags(root.PersistentFlags())
	root.AddCommand(s.status(), s.switchover(), s.restart(), s.reinit(), s.forcePromotion(), s.renewCertificates(), s.release(), s.drift())
	return root
}

// operation is a command that asks for one and waits for its end.
func (s *shell) operation(command *cobra.Command) *cobra.Command {
	command.Flags().BoolVar(&s.wait, "wait", true, "wait for the end; without, only for the operation to be begun or refused")
	command.Flags().DurationVar(&s.timeout, "timeout", 0, "end the waiting after this long; the operation goes on (0: never)")
	return command
}

func (s *shell) switchover() *cobra.Command {
	to := ""
	command := &cobra.Command{
		Use: "switchover CLUSTER [--to INSTANCE]", Short: "Have the primary hand over to a standby", Args: cobra.ExactArgs(1),
		Long: `Have the primary hand over to a standby: the one named, or the one that is furthest.

Writes wait for about a second, nothing is lost, and connections to the primary are closed. It is refused for a standby that is
no member of the quorum, or lags.`,
		Example: "  kubectl timonier switchover orders\n  kubectl timonier switchover orders --to orders-2",
		RunE: func(command *cobra.Command, args []string) error {
			spec := v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationSwitchover}
			if to != "" {
				spec.Switchover = &v1alpha1.SwitchoverOperation{To: to}
			}
			return s.operate(command, args[0], spec)
		},
	}
	command.Flags().StringVar(&to, "to", "", "standby that is to lead (default: the one that is furthest)")
	command.ValidArgsFunction = s.completeCluster()
	_ = command.RegisterFlagCompletionFunc("to", s.completeInstanceFlag(standby)) // the flag is there
	return s.operation(command)
}

func (s *shell) restart() *cobra.Command {
	return s.operation(&cobra.Command{
		Use: "restart CLUSTER [INSTANCE]", Short: "Restart PostgreSQL in one instance, or in all one after the other", Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: s.completeInstance(anyInstance),
		Long: `Restart PostgreSQL in one instance, or in all: standbys first, each waited for until it streams again; the primary hands over
before its turn. It is refused while another instance does not serve.`,
		Example: "  kubectl timonier restart orders\n  kubectl timonier restart orders orders-3",
		RunE: func(command *cobra.Command, args []string) error {
			spec := v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRestart}
			if len(args) == 2 {
				spec.Restart = &v1alpha1.RestartOperation{Instance: args[1]}
			}
			return s.operate(command, args[0], spec)
		},
	})
}

func (s *shell) reinit() *cobra.Command {
	return s.operation(&cobra.Command{
		Use: "reinit CLUSTER INSTANCE", Short: "Throw a standby's data away and clone it anew", Aliases: []string{"reinitialize"}, Args: cobra.ExactArgs(2),
		ValidArgsFunction: s.completeInstance(standby),
		Long: `Throw a standby's data away and clone it anew from the primary. Others go on. It is refused for the primary, and where too few
members would be left for commits to go on.`,
		Example: "  kubectl timonier reinit orders orders-3",
		RunE: func(command *cobra.Command, args []string) error {
			return s.operate(command, args[0], v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationReinitialize,
				Reinitialize: &v1alpha1.ReinitializeOperation{Instance: args[1]}})
		},
	})
}

func (s *shell) forcePromotion() *cobra.Command {
	accepted := ""
	command := &cobra.Command{
		Use: "force-promotion CLUSTER INSTANCE --accept-data-loss SENTENCE", Short: "Have an instance lead although data may be lost by it", Args: cobra.ExactArgs(2),
		ValidArgsFunction: s.completeInstance(standby),
		Long: `Have an instance lead without the votes that prove that nothing is lost. It is the last resort where the instances that would be needed for
an election are gone for good. It is refused while anybody leads, or while an election could decide. Everything that was acknowledged and that this
instance has not received is lost; both positions are kept in the operation's status. So is what any other instance acknowledges until it has read the new
Lease: keep clients from those that are cut off.

Asked without the sentence, it says which one is to be written.`,
		Example: `  kubectl timonier force-promotion orders orders-2 --accept-data-loss "` + sentence("orders", "orders-2") + `"`,
		RunE: func(command *cobra.Command, args []string) error {
			if accepted != sentence(args[0], args[1]) {
				return exit(CodeRefused, "acknowledged writes may be lost. If you accept that, add\n  --accept-data-loss %q", sentence(args[0], args[1]))
			}
			return s.operate(command, args[0], v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationForcePromotion,
				ForcePromotion: &v1alpha1.ForcePromotionOperation{Instance: args[1], AcceptDataLoss: accepted}})
		},
	}
	command.Flags().StringVar(&accepted, "accept-data-loss", "", "the sentence that accepts the loss, in full")
	return s.operation(command)
}

func (s *shell) renewCertificates() *cobra.Command {
	return s.operation(&cobra.Command{
		Use: "renew-certificates CLUSTER", Short: "Issue the certificates that instances use anew", Args: cobra.ExactArgs(1),
		ValidArgsFunction: s.completeCluster(),
		Long: `Issue the certificates that instances use anew, also where the cluster is left alone: nobody renews them there. Instances load them without a
restart, within two minutes. An authority that is due is replaced too, in steps that instances and clients must take up: that may go on for days, and need not be
waited for.`,
		Example: "  kubectl timonier renew-certificates orders",
		RunE: func(command *cobra.Command, args []string) error {
			return s.operate(command, args[0], v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRenewCertificates})
		},
	})
}

// sentence that accepts the loss: the CRD refuses any other.
func sentence(cluster, instance string) string {
	return fmt.Sprintf("I accept that promoting %s loses what %s acknowledged and it has not received", instance, cluster)
}

func (s *shell) status() *cobra.Command {
	return &cobra.Command{
		Use: "status CLUSTER", Short: "Show what a person on call needs to know, on one screen", Args: cobra.ExactArgs(1),
		ValidArgsFunction: s.completeCluster(),
		Example:           "  kubectl timonier status orders\n  watch kubectl timonier status orders",
		RunE: func(command *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(command.Context(), time.Minute)
			defer cancel()
			found, err := s.look(ctx, args[0])
			if err != nil {
				return err
			}
			if err := found.Render(command.OutOrStdout()); err != nil {
				return err
			}
			if !found.Well() {
				return exit(CodeFailed, "%s is not well", args[0])
			}
			return nil
		},
	}
}
