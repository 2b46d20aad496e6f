//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"os"
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

// digestOf an image that `make images` made.
func digestOf(t *testing.T, image string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, ".local", "images", image+".tar.digest"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}

func TestImagesThatWerePushedToARegistryAreDeployedByTheirDigests(t *testing.T) {
	prefix := startRegistry(t) + "/team"
	images := filepath.Join(root, ".local", "images")
	mustRun(t, program("imagebuild"), "push", "--registry", prefix, "--insecure",
		filepath.Join(images, "timonier.tar"), filepath.Join(images, "postgres.tar"))
	t.Cleanup(func() {
		if _, err := run(context.Background(), "env", "REGISTRY=", "hack/deploy.sh"); err != nil {
			t.Errorf("the operator is not as it was: %v", err)
		}
	})
	mustRun(t, "env", "REGISTRY="+prefix, "hack/deploy.sh")
	if image, want := operatorPod(t).Spec.Containers[0].Image, prefix+"/timonier@"+digestOf(t, "timonier"); image != want {
		t.Errorf("the operator runs %s, not %s", image, want)
	}

	c := newSpace(t).create("pulled", instances(1))
	c.waitReady()
	c.underLoad().finish(0)
	if id, want := c.pod(c.instance(1)).Status.ContainerStatuses[0].ImageID, prefix+"/postgres@"+digestOf(t, "postgres"); id != want {
		t.Errorf("the instance runs %s, not %s", id, want)
	}
}
