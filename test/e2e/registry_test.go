//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// startRegistry serves a registry in memory where the nodes reach it, until the test ends.
func startRegistry(t *testing.T) (address string) {
	t.Helper()
	command := exec.CommandContext(context.Background(), program("imagebuild"), "registry", "--listen", hostAddress(t)+":0")
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait() // it was told to end
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the registry says %q: %v", line, err)
	}
	found := regexp.MustCompile(`serving on (\S+),`).FindStringSubmatch(line)
	if found == nil {
		t.Fatalf("the registry does not say where it serves: %q", line)
	}
	return found[1]
}

func TestAnImageThatWasPushedToARegistryIsPulledByANode(t *testing.T) {
	t.Parallel()
	registry := startRegistry(t)
	archive := filepath.Join(root, ".local", "images", "postgres.tar")
	mustRun(t, program("imagebuild"), "push", "--registry", registry+"/team", "--insecure", archive)

	c := newSpace(t).create("pulled", instances(1), func(s *spec) { s.Image = registry + "/team/postgres:17" })
	c.waitReady()
	c.underLoad().finish(0)
	if id := c.pod(c.instance(1)).Status.ContainerStatuses[0].ImageID; !strings.HasPrefix(id, registry+"/team/postgres@sha256:") {
		t.Errorf("the instance runs %s", id)
	}
}
