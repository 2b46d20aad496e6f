// Package testcluster is how the tests drive the cluster: through the same commands that a person
// uses, and kubectl.
package testcluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// root is the checkout: three directories above this file.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "../../../..")
}

// Bin is the directory of the programs that `make build` made.
func Bin(program string) string { return filepath.Join(root(), ".local", "bin", program) }

// Dir is the state directory of the cluster under test.
func Dir() string {
	if dir := os.Getenv("LOCALCLUSTER_DIR"); dir != "" {
		return dir
	}
	return filepath.Join(root(), ".local")
}

// Command prepares a localcluster command.
func Command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, Bin("localcluster"), append([]string{"--dir", Dir()}, args...)...)
}

// Localcluster runs a command that must succeed, and returns what it says.
func Localcluster(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	out, err := Command(ctx, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("localcluster %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TryKubectl runs kubectl and returns what it printed; its error holds what it complained about.
func TryKubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, Bin("kubectl"), append([]string{"--kubeconfig", filepath.Join(Dir(), "kubeconfig")}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(out)), err
}

// Kubectl runs kubectl, which must succeed.
func Kubectl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := TryKubectl(t.Context(), "", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Eventually polls until check returns nil; it fails with the last error when the time is up.
func Eventually(t testing.TB, within time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, within, err)
		}
		time.Sleep(100 * time.Millisecond) // the pace of polling, not a guess at how long it takes
	}
}

// NodeIs waits until a node's Ready condition has a value: True, False or Unknown.
func NodeIs(t testing.TB, within time.Duration, node string, values ...string) {
	t.Helper()
	Eventually(t, within, node+" becomes "+strings.Join(values, " or "), func() error {
		value, err := TryKubectl(t.Context(), "", "get", "node", node, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		for _, v := range values {
			if err == nil && value == v {
				return nil
			}
		}
		if err != nil {
			return err
		}
		return fmt.Errorf("its Ready condition is %q", value)
	})
}
