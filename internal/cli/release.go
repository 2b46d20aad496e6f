package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// releasing says which clusters are meant.
type releasing struct {
	name, selector string
	all            bool
	// everywhere: in all namespaces rather than in one.
	everywhere bool
}

func (s *shell) release() *cobra.Command {
	which := releasing{}
	command := &cobra.Command{
		Use: "release [CLUSTER | -l SELECTOR | --all] [-A]", Short: "Have what is in quarantine tried again", Args: cobra.MaximumNArgs(1),
		Long: `Have what is in quarantine tried again at once: of one cluster, of those that a selector finds, or of all in the namespace, or with -A in all namespaces. What fails once more
goes back, for twice as long; what succeeds is over. Mend the cause first: "status" names it.`,
		Example:           "  kubectl timonier release orders\n  kubectl timonier release -l team=commerce\n  kubectl timonier release --all -A",
		ValidArgsFunction: s.completeCluster(),
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) == 1 {
				which.name = args[0]
			}
			if err := which.check(); err != nil {
				return err
			}
			return s.releaseAll(command.Context(), which, command.OutOrStdout())
		},
	}
	command.Flags().StringVarP(&which.selector, "selector", "l", "", "clusters with these labels")
	command.Flags().BoolVar(&which.all, "all", false, "all clusters in the namespace")
	command.Flags().BoolVarP(&which.everywhere, "all-namespaces", "A", false, "those in all namespaces, with --all or -l")
	return command
}

// check that just one way to say which is used.
func (w releasing) check() error {
	ways := 0
	for _, used := range []bool{w.name != "", w.selector != "", w.all} {
		if used {
			ways++
		}
	}
	if ways != 1 {
		return errors.New("name one cluster, or select some with -l, or all of the namespace with --all")
	}
	if w.everywhere && w.name != "" {
		return errors.New("one cluster is in one namespace: name that with -n, or use -A with --all or -l")
	}
	return nil
}

// releaseAll that are meant, and tell what came of it.
func (s *shell) releaseAll(ctx context.Context, which releasing, out io.Writer) error {
	c, namespace, err := s.place.connect()
	if err != nil {
		return err
	}
	clusters, err := which.find(ctx, c, namespace)
	if err != nil {
		return err
	}
	shown := func(cluster *v1alpha1.PostgresCluster) string {
		if which.everywhere {
			return cluster.Namespace + "/" + cluster.Name
		}
		return cluster.Name
	}
	released, failed := 0, error(nil)
	for i := range clusters {
		cluster := &clusters[i]
		if len(cluster.Status.Quarantine) == 0 {
			if which.name != "" {
				fmt.Fprintf(out, "nothing of %s is in quarantine\n", cluster.Name)
			}
			continue
		}
		released++
		if err := s.releaseOne(ctx, c, cluster); err != nil {
			if which.name != "" {
				return err
			}
			// The others are released all the same.
			fmt.Fprintf(out, "%s: %v\n", shown(cluster), err)
			failed = err
			continue
		}
		for _, entry := range cluster.Status.Quarantine {
			fmt.Fprintf(out, "%s: phase %s is tried again; it failed %d times: %s\n", shown(cluster), entry.Phase, entry.Count, entry.Message)
		}
	}
	if released == 0 && which.name == "" {
		fmt.Fprintln(out, "nothing is in quarantine")
	}
	return failed
}

func (w releasing) find(ctx context.Context, c client.Client, namespace string) ([]v1alpha1.PostgresCluster, error) {
	if w.name != "" {
		cluster := v1alpha1.PostgresCluster{}
		err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: w.name}, &cluster)
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("there is no PostgresCluster %s in the namespace %s; -n names another one", w.name, namespace)
		}
		if err != nil {
			return nil, fmt.Errorf("looking at the cluster: %w", err)
		}
		return []v1alpha1.PostgresCluster{cluster}, nil
	}
	selector, err := labels.Parse(w.selector)
	if err != nil {
		return nil, fmt.Errorf("--selector: %w", err)
	}
	var list v1alpha1.PostgresClusterList
	if w.everywhere {
		namespace = ""
	}
	if err := c.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: selector}); err != nil {
		return nil, fmt.Errorf("looking for clusters: %w", err)
	}
	return list.Items, nil
}

// releaseOne asks for it by an annotation with a value of its own, and waits until the operator echoes that.
func (s *shell) releaseOne(ctx context.Context, c client.Client, cluster *v1alpha1.PostgresCluster) error {
	if cluster.Status.ManagementState == contract.Unmanaged {
		return exit(CodeRefused, "%s is left alone, by %s, and nothing of it is tried: hand it back first", cluster.Name, cluster.Status.Management.By)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	token := s.now().UTC().Format(time.RFC3339Nano)
	asked := cluster.DeepCopy()
	if asked.Annotations == nil {
		asked.Annotations = map[string]string{}
	}
	asked.Annotations[naming.AnnotationRelease] = token
	if err := c.Patch(ctx, asked, client.MergeFrom(cluster)); err != nil {
		return fmt.Errorf("asking for the release of %s: %w", cluster.Name, err)
	}
	asking, live := s.now(), &v1alpha1.PostgresCluster{}
	for live.Status.Released != token {
		if s.now().Sub(asking) > beginsWithin {
			return exit(CodeTimeout, "the operator has not released %s within %s: does it run? It does so as soon as it does", cluster.Name, beginsWithin)
		}
		select {
		case <-ctx.Done():
			return exit(CodeTimeout, "%s is asked for; only the waiting has ended", cluster.Name)
		case <-time.After(lookAgain):
		}
		if err := c.Get(ctx, client.ObjectKeyFromObject(cluster), live); err != nil {
			return fmt.Errorf("looking at %s, whose release is asked for: %w", cluster.Name, err)
		}
	}
	return nil
}
