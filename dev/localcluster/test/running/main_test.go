//go:build cluster

// Package running tests a cluster that runs, faults included. Each test undoes what it does; the
// cluster is left up.
package running

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/timonier-io/timonier/dev/localcluster/test/testcluster"
)

func TestMain(m *testing.M) {
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// prepare brings the cluster up, which changes nothing where it is up, and gives it the test's image.
func prepare() error {
	dir, err := os.MkdirTemp("", "localcluster-test-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	archive := filepath.Join(dir, "test.tar")
	if err := testcluster.WriteImage(archive, testcluster.Image); err != nil {
		return err
	}
	for _, args := range [][]string{{"up"}, {"load", archive}} {
		cmd := testcluster.Command(context.Background(), args...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("localcluster %s: %w", args[0], err)
		}
	}
	return nil
}
