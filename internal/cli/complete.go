package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// completesWithin is how long a person who presses Tab waits for the API at most.
const completesWithin = 3 * time.Second

// completer is the name by which kubectl looks for a program that completes `kubectl timonier`.
const completer = "kubectl_complete-timonier"

// Arguments of the command, by all that the program was called with, its own name first: under the name of the completer it suggests how the others go on.
func Arguments(called []string) []string {
	if len(called) == 0 {
		return []string{}
	}
	if filepath.Base(called[0]) == completer {
		return append([]string{cobra.ShellCompRequestCmd}, called[1:]...)
	}
	return called[1:]
}

// completion of arguments by what there is in the namespace. Where that cannot be found out nothing is suggested, and no error shown: the person is in
// the middle of a line.
func (s *shell) completion(wanted func(ctx context.Context, c client.Client, namespace string, args []string) []cobra.Completion) cobra.CompletionFunc {
	return func(command *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(command.Context(), completesWithin)
		defer cancel()
		c, namespace, err := s.place.connect()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return wanted(ctx, c, namespace, args), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeCluster is for commands that take a cluster and nothing else.
func (s *shell) completeCluster() cobra.CompletionFunc {
	return s.completion(func(ctx context.Context, c client.Client, namespace string, args []string) []cobra.Completion {
		if len(args) > 0 {
			return nil
		}
		return clusters(ctx, c, namespace)
	})
}

// completeInstance is for commands that take a cluster, and then one of its instances.
func (s *shell) completeInstance(suits func(v1alpha1.InstanceStatus) bool) cobra.CompletionFunc {
	return s.completion(func(ctx context.Context, c client.Client, namespace string, args []string) []cobra.Completion {
		switch len(args) {
		case 0:
			return clusters(ctx, c, namespace)
		case 1:
			return instances(ctx, c, namespace, args[0], suits)
		}
		return nil
	})
}

// completeInstanceFlag is for a flag that names an instance of the cluster before it.
func (s *shell) completeInstanceFlag(suits func(v1alpha1.InstanceStatus) bool) cobra.CompletionFunc {
	return s.completion(func(ctx context.Context, c client.Client, namespace string, args []string) []cobra.Completion {
		if len(args) == 0 {
			return nil
		}
		return instances(ctx, c, namespace, args[0], suits)
	})
}

func clusters(ctx context.Context, c client.Client, namespace string) []cobra.Completion {
	var all v1alpha1.PostgresClusterList
	if err := c.List(ctx, &all, client.InNamespace(namespace)); err != nil {
		return nil
	}
	var found []cobra.Completion
	for i := range all.Items {
		status := all.Items[i].Status.Summary
		found = append(found, cobra.CompletionWithDesc(all.Items[i].Name, fmt.Sprintf("%s instances ready", orDash(status.Instances))))
	}
	return found
}

func instances(ctx context.Context, c client.Client, namespace, cluster string, suits func(v1alpha1.InstanceStatus) bool) []cobra.Completion {
	found := &v1alpha1.PostgresCluster{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: cluster}, found); err != nil {
		return nil
	}
	var names []cobra.Completion
	for _, instance := range found.Status.Instances {
		if suits(instance) {
			names = append(names, cobra.CompletionWithDesc(instance.Name, fmt.Sprintf("%s, %s", instance.Role, instance.State)))
		}
	}
	return names
}

func anyInstance(v1alpha1.InstanceStatus) bool { return true }

func standby(instance v1alpha1.InstanceStatus) bool { return instance.Role != v1alpha1.RolePrimary }
