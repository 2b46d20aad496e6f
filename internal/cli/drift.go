package cli

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

func (s *shell) drift() *cobra.Command {
	return &cobra.Command{
		Use: "drift CLUSTER", Short: "Show what was changed while a cluster was left alone", Args: cobra.ExactArgs(1),
		Long: `Show, field by field, what differed from what Timonier would write when a cluster was last handed back. With spec.resumePolicy Report nothing
is done about it, and this is what it is like now; with Enforce it was put back.`,
		Example:           "  kubectl timonier drift orders",
		ValidArgsFunction: s.completeCluster(),
		RunE: func(command *cobra.Command, args []string) error {
			found, err := s.look(command.Context(), args[0])
			if err != nil {
				return err
			}
			return renderDrift(command.OutOrStdout(), found.Cluster)
		},
	}
}

// renderDrift as a table, with what is done about it.
func renderDrift(out io.Writer, cluster v1alpha1.PostgresCluster) error {
	management := cluster.Status.Management
	reported := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionManaged)
	heldBack := reported != nil && reported.Reason == v1alpha1.ReasonDriftReported
	switch {
	case cluster.Status.ManagementState == contract.Unmanaged && !heldBack:
		then := "set spec.resumePolicy to Report before, to see it without its being put back"
		if cluster.Spec.ResumePolicy == contract.Report {
			then = "it stays so then, as spec.resumePolicy Report asks"
		}
		fmt.Fprintf(out, "%s is left alone, by %s. What differs is found out when it is handed back: %s.\n", cluster.Name, management.By, then)
		return nil
	case len(management.Drift) == 0:
		fmt.Fprintf(out, "nothing differed when %s was last handed back\n", cluster.Name)
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "CHILD\tFIELD\tFOUND\tWANTED")
	for _, d := range management.Drift {
		fmt.Fprintf(table, "%s/%s\t%s\t%s\t%s\n", d.Kind, d.Name, orDash(d.Field), orDash(d.Found), orDash(d.Wanted))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if more := int(management.DriftedFields) - len(management.Drift); more > 0 {
		fmt.Fprintf(out, "and %d more\n", more)
	}
	switch {
	case heldBack, management.Told != nil && cluster.Spec.ResumePolicy == contract.Report:
		fmt.Fprintln(out, "Nothing is done about it until spec.resumePolicy is Enforce.")
	case management.Told != nil:
		fmt.Fprintln(out, "What Timonier keeps of it is about to be put back.")
	default:
		fmt.Fprintln(out, "What Timonier keeps of it was put back.")
	}
	return nil
}
