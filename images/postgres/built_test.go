package postgres

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/timonier-io/timonier/images/debian"
	"github.com/timonier-io/timonier/images/sandbox"
	"github.com/timonier-io/timonier/images/stage"
)

// anyUID is a user that nothing in the image knows.
const anyUID = 123456

// built is the image as `make postgres` has it, and its root file system.
type built struct {
	Result
	options Options
}

// build uses the cache of the checkout: the packages are downloaded once, not by each run.
var build = sync.OnceValues(func() (built, error) {
	dir, err := filepath.Abs("../../.local/images")
	if err != nil {
		return built{}, err
	}
	opts := Options{
		Out:    filepath.Join(dir, "postgres.tar"),
		Tag:    "timonier.local/postgres:17",
		Cache:  filepath.Join(dir, "cache"),
		Rootfs: filepath.Join(dir, "postgres.rootfs"),
		Log:    stage.New("postgres", os.Stdout, time.Now),
		Now:    time.Now,
	}
	ctx := context.Background()
	if err := debian.Provide(ctx, os.Stdout, debian.Need{Path: debian.KeyringPath, Package: "debian-archive-keyring"}); err != nil {
		return built{}, err
	}
	result, err := Build(ctx, opts)
	return built{result, opts}, err
})

func theImage(t *testing.T) built {
	t.Helper()
	b, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pod is a sandbox with a volume of its own at /mnt, and its user has a name.
func pod(t *testing.T) sandbox.Sandbox {
	t.Helper()
	data := t.TempDir()
	if err := os.Chown(data, anyUID, 0); err != nil {
		t.Fatalf("%v: these tests want root", err)
	}
	// The folders that hold it are the test's and closed to others; the bind mount is not.
	box := sandbox.Sandbox{
		Root: theImage(t).options.Rootfs, UID: anyUID,
		Binds: []sandbox.Bind{{Outside: data, Inside: "/mnt"}},
	}
	passwd, group, env := box.Identity("/mnt/passwd", "/mnt/group")
	for name, content := range map[string]string{"passwd": passwd, "group": group} {
		if err := os.WriteFile(filepath.Join(data, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	box.Env = slices.Concat(env, []string{"PATH=/usr/lib/postgresql/17/bin:/usr/sbin:/usr/bin", "LANG=C.UTF-8", "HOME=/tmp"})
	return box
}

// sh runs a script in a sandbox and returns what it printed.
func sh(t *testing.T, box sandbox.Sandbox, script string) string {
	t.Helper()
	out, err := box.Command(t.Context(), "bash", "-euo", "pipefail", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	return strings.TrimSpace(string(out))
}
