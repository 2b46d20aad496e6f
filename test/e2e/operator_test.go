//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// deployment is the overlay that `make deploy` wrote, by which the operator is put back as it was.
const deployment = ".local/deploy"

// replacing is held while the operator is replaced, and shared by those who ask it for something by `kubectl timonier`, which
// believes after some seconds that none runs.
var replacing sync.RWMutex

// deployOperator applies an overlay over what `make deploy` installs, and waits until the operator is ready. The
// operator is as before when the test ends.
func deployOperator(t *testing.T, overlay string) {
	t.Helper()
	directory := filepath.Join(root, ".local", "e2e")
	if err := os.MkdirAll(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	content := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../deploy]\n" + overlay
	if err := os.WriteFile(filepath.Join(directory, "kustomization.yaml"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rollOut(context.Background(), deployment); err != nil {
			t.Errorf("the operator is not as it was: %v", err)
		}
	})
	if err := rollOut(t.Context(), ".local/e2e"); err != nil {
		t.Fatal(err)
	}
}

func rollOut(ctx context.Context, overlay string) error {
	replacing.Lock()
	defer replacing.Unlock()
	if _, err := tryKubectl(ctx, "apply", "--server-side", "-k", overlay); err != nil {
		return err
	}
	_, err := tryKubectl(ctx, "-n", operatorNamespace, "rollout", "status", "deployment/"+operatorName, "--timeout=120s")
	return err
}

// buildOperator makes an image of this checkout's programs as another version, and loads it into every node.
func buildOperator(t *testing.T, version, reference string) {
	t.Helper()
	directory := t.TempDir()
	for _, name := range []string{"timonier-operator", "timonier-instance"} {
		out, err := run(t.Context(), "env", "CGO_ENABLED=0", "go", "build", "-trimpath",
			"-ldflags", "-s -w -X github.com/timonier-io/timonier/internal/version.version="+version,
			"-o", filepath.Join(directory, name), "./cmd/"+name)
		if err != nil {
			t.Fatalf("building %s: %v %s", name, err, out)
		}
	}
	archive := filepath.Join(directory, "timonier.tar")
	mustRun(t, program("imagebuild"), "timonier", "--binaries", directory, "--out", archive, "--tag", reference)
	localcluster(t, "load", archive)
}

func TestAnUpgradeOfTheOperatorReplacesTheInstanceManagerUnderARunningPostgres(t *testing.T) {
	const version = "v0.0.0-e2e-next"
	buildOperator(t, version, "timonier.local/timonier:e2e-next")
	c := newSpace(t).create("upgraded")
	c.waitReady()
	before, programs := c.processes(), c.managers()
	w := c.underLoad()
	connection := c.open()
	transaction, err := connection.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := transaction.Exec(t.Context(), "CREATE TABLE spanning AS SELECT 'before' AS moment"); err != nil {
		t.Fatal(err)
	}

	deployOperator(t, "images:\n  - {name: timonier.local/timonier, newTag: e2e-next}\n")
	eventually(t, 3*time.Minute, "every instance runs the new instance manager", func() error {
		for name, hash := range c.managers() {
			if hash == programs[name] {
				return fmt.Errorf("%s runs the former one", name)
			}
		}
		return nil
	})
	c.waitReady()
	for name := range before {
		if out, err := c.exec(name, "/opt/timonier/timonier-instance", "version"); err != nil || out != version {
			t.Errorf("the instance manager of %s says that it is %q (%v)", name, out, err)
		}
	}
	if _, err := transaction.Exec(t.Context(), "INSERT INTO spanning VALUES ('after')"); err != nil {
		t.Fatalf("going on in the transaction that was open: %v", err)
	}
	if err := transaction.Commit(t.Context()); err != nil {
		t.Fatalf("committing the transaction that was open: %v", err)
	}
	if rows := c.value("SELECT count(*)::text FROM spanning"); rows != "2" {
		t.Errorf("the transaction left %s rows", rows)
	}
	w.finish(0)
	c.mustBeUntouched(before, names(before)...)
}

// managers are the hashes of the program that is process 1 of each instance.
func (c *cluster) managers() map[string]string {
	c.t.Helper()
	hashes := map[string]string{}
	for _, pod := range c.instancePods() {
		out, err := c.shell(pod.Name, "sha256sum /proc/1/exe")
		if err != nil {
			c.t.Fatal(err)
		}
		hashes[pod.Name], _, _ = strings.Cut(out, " ")
	}
	return hashes
}
