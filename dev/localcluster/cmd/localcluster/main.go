// Command localcluster runs a Kubernetes cluster of several nodes on one Linux machine, and breaks it
// on purpose. Its README says what it is made of.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/timonier-io/timonier/dev/localcluster/internal/cluster"
	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
	"github.com/timonier-io/timonier/dev/localcluster/internal/spawn"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == spawn.Argument {
		fmt.Fprintln(os.Stderr, spawn.Child(os.Args[2]))
		os.Exit(1)
	}
	// Debian keeps mkfs, ip and the like where only root looks, and not every root's PATH does.
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin")
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "localcluster:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	c := cluster.Cluster{Out: os.Stdout}
	var dir string
	root := &cobra.Command{
		Use: "localcluster", Short: "A Kubernetes cluster of several nodes on this machine, with faults to order",
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) (err error) {
			c.Dir, c.Bin, err = places(dir)
			return err
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().StringVar(&dir, "dir", "", "state directory (default: the directory above the one this program is in, .local of the checkout)")

	nodes := 3
	up := simple("up", "Start the cluster, or bring it back to health", func(ctx context.Context) error { return c.Up(ctx, nodes) })
	up.Flags().IntVar(&nodes, "nodes", nodes, "number of nodes")
	root.AddCommand(up,
		simple("down", "Remove the cluster and all its data", func(ctx context.Context) error { return c.Down(ctx) }),
		simple("status", "Show control plane, nodes, volumes, and the faults in force", func(ctx context.Context) error { return c.Status(ctx) }),
		simple("kubeconfig", "Print the path of the administrator's kubeconfig", func(ctx context.Context) error { return c.Kubeconfig(ctx) }),
		&cobra.Command{
			Use: "load IMAGE.tar …", Short: "Import images into every node", Args: cobra.MinimumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return c.Load(cmd.Context(), args...) },
		},
		faults("node", "NAME", "Break or mend a node", cluster.NodeVerbs, func(ctx context.Context, verb string, args []string) error {
			return c.Node(ctx, verb, args[0])
		}),
		faults("link", "FROM TO", "Break or mend the way from one node to another, in one direction", cluster.LinkVerbs,
			func(ctx context.Context, verb string, args []string) error {
				return c.Link(ctx, verb, args[0], args[1])
			}),
		faults("api", "", "Break or mend the API server", cluster.APIVerbs, func(ctx context.Context, verb string, _ []string) error {
			return c.API(ctx, verb)
		}),
		faults("volume", "[NAMESPACE/]PVC", "Break or mend the volume of a claim", cluster.VolumeVerbs, func(ctx context.Context, verb string, args []string) error {
			return c.Volume(ctx, verb, args[0])
		}),
	)
	return root
}

func simple(use, short string, run func(context.Context) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context()) }}
}

// faults makes a command with a command below it for every verb.
func faults[V any](use, argument, short string, verbs map[string]V, run func(context.Context, string, []string) error) *cobra.Command {
	names := slices.Sorted(maps.Keys(verbs))
	parent := &cobra.Command{Use: use, Short: short + ": " + strings.Join(names, ", ")}
	for _, verb := range names {
		child := &cobra.Command{
			Use: strings.TrimSpace(verb + " " + argument), Short: descriptions[use+" "+verb], Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), verb, args) },
		}
		if argument != "" {
			child.Args = cobra.ExactArgs(len(strings.Fields(argument)))
		}
		parent.AddCommand(child)
	}
	return parent
}

var descriptions = map[string]string{
	"node stop":      "Cut its power: everything on it dies at once, its disk stays",
	"node start":     "Boot it again, and wait until it is ready",
	"node freeze":    "Make it hang: nothing on it runs, nothing is lost",
	"node thaw":      "Let it go on",
	"node isolate":   "Pull its network cable; everything on it runs on",
	"node rejoin":    "Plug the cable in again",
	"link cut":       "Let what FROM sends to TO vanish; nodes, or one of them host or all",
	"link mend":      "Let it arrive again",
	"api stop":       "Kill the API server",
	"api start":      "Start the API server again",
	"api freeze":     "Make the API server hang: connections open, no answer comes",
	"api thaw":       "Let the API server go on",
	"volume stall":   "Make writes and fsync hang",
	"volume release": "Let writes go on",
	"volume fill":    "Take all its free space",
	"volume drain":   "Give the space back",
}

// places finds the state directory and the programs: both from where this program is, .local/bin of a
// checkout, unless a state directory is named.
func places(dir string) (layout.Dir, string, error) {
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return "", "", fmt.Errorf("finding the directory of this program: %w", err)
	}
	bin := filepath.Dir(self)
	if dir == "" {
		dir = filepath.Dir(bin)
	}
	dir, err = filepath.Abs(dir)
	return layout.Dir(dir), bin, err
}
