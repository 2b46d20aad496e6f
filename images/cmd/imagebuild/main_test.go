package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// imagebuild runs the command as from a shell.
func imagebuild(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), args, &out); err != nil {
		t.Fatalf("imagebuild %s: %v\n%s", strings.Join(args, " "), err, out.String())
	}
	return out.String()
}

func TestBothImagesAreBuiltAndPushed(t *testing.T) {
	server := httptest.NewServer(registry.New())
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")

	bin, dir := t.TempDir(), t.TempDir()
	for _, program := range []string{"timonier-operator", "timonier-instance"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(bin, program), ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
	}
	timonier, postgres := filepath.Join(dir, "timonier.tar"), filepath.Join(dir, "postgres.tar")
	imagebuild(t, "timonier", "--binaries", bin, "--out", timonier)
	imagebuild(t, "postgres", "--out", postgres, "--cache", "../../../.local/images/cache")
	out := imagebuild(t, "push", "--registry", host+"/team", "--insecure", timonier, postgres)

	for archive, reference := range map[string]string{
		timonier: host + "/team/timonier:dev",
		postgres: host + "/team/postgres:17",
	} {
		digest, err := os.ReadFile(archive + ".digest")
		if err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSpace(string(digest))
		if !strings.Contains(out, reference+"@"+want) {
			t.Errorf("push does not say that it pushed %s@%s:\n%s", reference, want, out)
		}
		ref, err := name.ParseReference(reference, name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		img, err := remote.Image(ref)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := img.Digest(); err != nil || got.String() != want {
			t.Errorf("pulled %s (%v), want %s", got, err, want)
		}
		if err := validate.Image(img); err != nil {
			t.Errorf("%s: %v", reference, err)
		}
	}
}

func TestAProgramOfTheImageRunsUnderAnyUser(t *testing.T) {
	dir := t.TempDir()
	imagebuild(t, "postgres", "--out", filepath.Join(dir, "postgres.tar"),
		"--cache", "../../../.local/images/cache", "--rootfs", filepath.Join(dir, "root"))
	out := imagebuild(t, "run", "--rootfs", filepath.Join(dir, "root"), "--uid", "123456",
		"--env", "GREETING=hello", "bash", "-c", "id -u; echo $GREETING; postgres --version")
	if !strings.HasPrefix(out, "123456\nhello\npostgres (PostgreSQL) 17.") {
		t.Errorf("printed %q", out)
	}
}

func TestMistakesAreExplained(t *testing.T) {
	for _, test := range []struct {
		args   []string
		advice string
	}{
		{[]string{"nonsense"}, `no command "nonsense"`},
		{[]string{"push", "image.tar"}, "pass --registry"},
		{[]string{"push", "--registry", "host"}, "at least 1 argument"},
		{[]string{"postgres", "extra"}, `unexpected argument "extra"`},
		{[]string{"postgres", "--add-file", "path"}, "NAME=VALUE"},
		{[]string{"run", "--rootfs", "/nowhere", "true"}, "imagebuild postgres --rootfs"},
	} {
		var out bytes.Buffer
		err := run(t.Context(), test.args, &out)
		if err == nil || !strings.Contains(err.Error(), test.advice) {
			t.Errorf("%q: error %v does not say %q", test.args, err, test.advice)
		}
	}
}

func TestTheRegistryServesWhatWasPushed(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	lines, printed := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"registry", "--listen", "127.0.0.1:0"}, printed) }()
	line, err := bufio.NewReader(lines).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var host string
	if _, err := fmt.Sscanf(line, "[registry] serving on %s", &host); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	host = strings.TrimSuffix(host, ",")

	archive := filepath.Join(t.TempDir(), "postgres.tar")
	imagebuild(t, "postgres", "--out", archive, "--cache", "../../../.local/images/cache")
	imagebuild(t, "push", "--registry", host, "--insecure", archive)
	ref, err := name.ParseReference(host+"/postgres:17", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Head(ref); err != nil {
		t.Error(err)
	}

	stop()
	if err := <-ended; err != nil {
		t.Errorf("told to stop, it ends with %v", err)
	}
}
