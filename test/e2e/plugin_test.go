//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/cli"
)

// timonier runs `kubectl timonier` for the cluster, and returns all that it said, and the code that it ended with.
func (c *cluster) timonier(command string, args ...string) (said string, code int) {
	c.t.Helper()
	return c.timonierOf(command, append([]string{c.name}, args...)...)
}

// timonierOf runs `kubectl timonier` in the namespace.
func (s *space) timonierOf(command string, args ...string) (said string, code int) {
	s.t.Helper()
	replacing.RLock()
	defer replacing.RUnlock()
	out, err := tryKubectl(s.t.Context(), append([]string{"timonier", command, "-n", s.name}, args...)...)
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		out, code = out+"\n"+err.Error(), ended.ExitCode()
	case err != nil:
		s.t.Fatal(err)
	}
	return out, code
}

// mustDo is timonier that succeeds.
func (c *cluster) mustDo(command string, args ...string) string {
	c.t.Helper()
	said, code := c.timonier(command, args...)
	if code != 0 {
		c.t.Fatalf("kubectl timonier %s %v ended with %d: %s", command, args, code, said)
	}
	return said
}

// mustRefuse is timonier that is refused for a reason, in words that name what these are.
func (c *cluster) mustRefuse(reason string, words []string, command string, args ...string) {
	c.t.Helper()
	said, code := c.timonier(command, args...)
	if code != cli.CodeRefused {
		c.t.Errorf("kubectl timonier %s %v ended with %d, and was to be refused: %s", command, args, code, said)
	}
	for _, word := range append([]string{"refused: " + reason}, words...) {
		if !strings.Contains(said, word) {
			c.t.Errorf("the refusal of kubectl timonier %s %v does not name %q: %s", command, args, word, said)
		}
	}
}

// mustShow waits until `kubectl timonier status` shows all these words on one screen, and ends with this code.
func (c *cluster) mustShow(wanted int, words ...string) {
	c.t.Helper()
	eventually(c.t, saidWithin, fmt.Sprintf("status shows %q", words), func() error {
		shown, code := c.timonier("status")
		if lines := strings.Count(shown, "\n"); lines > 24 {
			return fmt.Errorf("it has %d lines: %s", lines, shown)
		}
		if code != wanted {
			return fmt.Errorf("it ends with %d: %s", code, shown)
		}
		for _, word := range words {
			if !strings.Contains(shown, word) {
				return fmt.Errorf("%q is not in it: %s", word, shown)
			}
		}
		return nil
	})
}

// operations of the cluster.
func (c *cluster) operations() []v1alpha1.PostgresOperation {
	c.t.Helper()
	var all v1alpha1.PostgresOperationList
	if err := kube.List(c.t.Context(), &all, client.InNamespace(c.space.name)); err != nil {
		c.t.Fatal(err)
	}
	return all.Items
}

// mustSuggest these words at the Tab key, asked as a shell asks kubectl, and kubectl the program.
func (c *cluster) mustSuggest(words []string, line ...string) {
	c.t.Helper()
	out := kubectl(c.t, append([]string{"__complete", "timonier", "-n", c.space.name}, line...)...)
	var found []string
	for suggestion := range strings.Lines(out) {
		if word, _, described := strings.Cut(suggestion, "\t"); described {
			found = append(found, word)
		}
	}
	if !slices.Equal(found, words) {
		c.t.Errorf("at %q kubectl suggests %v, not %v: %s", line, found, words, out)
	}
}
