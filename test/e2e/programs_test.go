//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// program that `make` built.
func program(name string) string { return filepath.Join(root, ".local", "bin", name) }

// run runs a program in the checkout, with the local Kubernetes, and returns what it printed. Its error holds what
// it complained about.
func run(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = root
	command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig(), "PATH="+os.Getenv("PATH")+":"+program(""))
	var complaint strings.Builder
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(out)), err
}

func mustRun(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := run(t.Context(), name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryKubectl(ctx context.Context, args ...string) (string, error) {
	return run(ctx, program("kubectl"), args...)
}

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return mustRun(t, program("kubectl"), args...)
}

// localcluster breaks and mends parts of the local Kubernetes.
func localcluster(t *testing.T, args ...string) {
	t.Helper()
	mustRun(t, program("localcluster"), args...)
}

// eventually polls until check returns nil; it fails with the last error when the time is up.
func eventually(t *testing.T, within time.Duration, what string, check func() error) {
	t.Helper()
	begin := time.Now()
	for {
		err := check()
		if err == nil {
			if took := time.Since(begin); took > time.Second {
				t.Logf("%s: after %s", what, took.Round(100*time.Millisecond))
			}
			return
		}
		if time.Since(begin) > within {
			t.Fatalf("%s: not within %s: %v", what, within, err)
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("%s: the test was ended: %v", what, err)
		case <-time.After(200 * time.Millisecond): // the pace of polling, not a guess at how long it takes
		}
	}
}

// throughout checks again and again that something stays true for a while: for what must not happen.
func throughout(t *testing.T, span time.Duration, what string, check func() error) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < span; {
		if err := check(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		select {
		case <-t.Context().Done():
			return
		case <-time.After(200 * time.Millisecond): // the pace of polling
		}
	}
}
