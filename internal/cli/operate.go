package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

const (
	// lookAgain is how often an operation is looked at while it is waited for.
	lookAgain = 300 * time.Millisecond
	// beginsWithin is how long the operator may take to begin or refuse an operation, before people are told that it may not run.
	beginsWithin = 15 * time.Second
)

// operate asks for an operation, tells how it goes, and waits for its end.
func (s *shell) operate(command *cobra.Command, cluster string, spec v1alpha1.PostgresOperationSpec) error {
	c, namespace, err := s.place.connect()
	if err != nil {
		return err
	}
	spec.ClusterRef.Name = cluster
	operation := &v1alpha1.PostgresOperation{Spec: spec, ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, GenerateName: cluster + "-" + strings.ToLower(string(spec.Type)) + "-"}}
	if err := c.Create(command.Context(), operation); err != nil {
		return fmt.Errorf("asking for the operation: %w", err)
	}
	out := command.OutOrStdout()
	fmt.Fprintf(out, "%s is asked for: kubectl -n %s get pgop %s\n", spec.Type, namespace, operation.Name)
	ctx := command.Context()
	if s.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.timeout)
		defer cancel()
	}
	return s.follow(ctx, c, operation, out)
}

// follow the operation to its end, or to its beginning where nobody waits for more.
func (s *shell) follow(ctx context.Context, c client.Client, operation *v1alpha1.PostgresOperation, out io.Writer) error {
	asked, said := s.now(), ""
	for {
		status := operation.Status
		if status.Summary.Message != said {
			said = status.Summary.Message
			fmt.Fprintln(out, said)
		}
		switch {
		case status.FinishedAt != nil:
			return outcome(status)
		case status.StartedAt != nil && !s.wait:
			return nil
		case status.StartedAt == nil && status.Summary.Reason == v1alpha1.ReasonClusterUnmanaged:
			return exit(CodeTimeout, "%s is begun when the cluster is managed again, unless it is deleted before", operation.Name)
		case status.Summary.State == "" && s.now().Sub(asked) > beginsWithin:
			return exit(CodeTimeout, "the operator has neither begun nor refused it within %s: does it run? It begins as soon as it does, unless %s is deleted", beginsWithin, operation.Name)
		}
		select {
		case <-ctx.Done():
			return exit(CodeTimeout, "%s goes on; only the waiting has ended", operation.Name)
		case <-time.After(lookAgain):
		}
		err := c.Get(ctx, client.ObjectKeyFromObject(operation), operation)
		switch {
		case apierrors.IsNotFound(err):
			return exit(CodeFailed, "%s was deleted: what has become of it is not known", operation.Name)
		case err != nil && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			return fmt.Errorf("looking at the operation, which goes on: %w", err)
		}
	}
}

func outcome(status v1alpha1.PostgresOperationStatus) error {
	switch status.Summary.State {
	case "Succeeded":
		return nil
	case "Refused":
		return exit(CodeRefused, "refused: %s", status.Summary.Reason)
	}
	return exit(CodeFailed, "failed: %s", status.Summary.Reason)
}
