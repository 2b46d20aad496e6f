package timonier

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/timonier-io/timonier/images/buildah"
	"github.com/timonier-io/timonier/images/debian"
	"github.com/timonier-io/timonier/images/image"
	"github.com/timonier-io/timonier/images/stage"
)

var names = []string{"timonier-operator", "timonier-instance"}

// binaries compiles programs that print their name, statically or not.
func binaries(t *testing.T, says string, static bool) string {
	t.Helper()
	dir, source := t.TempDir(), filepath.Join(t.TempDir(), "main.go")
	imports, cgo := `import "os"`, "CGO_ENABLED=0"
	if !static {
		imports, cgo = "import \"os\"\nimport \"C\"", "CGO_ENABLED=1"
	}
	program := "package main\n" + imports + "\nfunc main() { os.Stdout.WriteString(\"" + says + "\") }\n"
	if err := os.WriteFile(source, []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), source)
		cmd.Env = append(os.Environ(), cgo)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
	}
	return dir
}

func options(t *testing.T, binaries string) Options {
	t.Helper()
	dir := t.TempDir()
	return Options{
		Out: filepath.Join(dir, "timonier.tar"), Tag: "timonier.local/timonier:dev",
		Binaries: binaries, Names: names, Log: stage.New("timonier", os.Stdout, time.Now),
	}
}

func TestTheImageIsTheBinariesAndNothingElse(t *testing.T) {
	opts := options(t, binaries(t, "hello", true))
	start := time.Now()
	result, err := Build(opts)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 2*time.Minute {
		t.Errorf("took %s, more than two minutes", took)
	}
	img := open(t, opts.Out)
	if got := contents(t, img); !slices.Equal(got, []string{"timonier-instance", "timonier-operator"}) {
		t.Errorf("the image has %q", got)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != User || !slices.Equal(config.Config.Entrypoint, []string{"/timonier-operator"}) {
		t.Errorf("the image runs %q as %q", config.Config.Entrypoint, config.Config.User)
	}

	again, err := Build(opts)
	if err != nil || again.Written || again.Digest != result.Digest {
		t.Errorf("the same binaries: written %v, digest %s, error %v", again.Written, again.Digest, err)
	}
	opts.Binaries = binaries(t, "other", true)
	other, err := Build(opts)
	if err != nil || !other.Written || other.Digest == result.Digest {
		t.Errorf("other binaries: written %v, digest %s, error %v", other.Written, other.Digest, err)
	}
}

func TestWhatCannotRunInTheImageIsRefused(t *testing.T) {
	text := t.TempDir()
	if err := os.WriteFile(filepath.Join(text, names[0]), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ binaries, advice string }{
		"needs a loader": {binaries(t, "x", false), "CGO_ENABLED=0"},
		"missing":        {t.TempDir(), "build the binaries first"},
		"a script":       {text, "must be a Linux program"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Build(options(t, test.binaries))
			if err == nil || !strings.Contains(err.Error(), test.advice) {
				t.Errorf("error %v does not say %q", err, test.advice)
			}
		})
	}
}

func TestTheDockerfileMakesAnEqualImage(t *testing.T) {
	opts := options(t, binaries(t, "hello from the image", true))
	if _, err := Build(opts); err != nil {
		t.Fatal(err)
	}
	if err := debian.Provide(t.Context(), os.Stdout, buildah.Needs...); err != nil {
		t.Fatal(err)
	}
	store := buildah.Store{Dir: t.TempDir()}
	const name = "localhost/timonier"
	err := opts.Log.Run("Dockerfile", func() error {
		return store.Build(t.Context(), buildah.Build{Dockerfile: "Dockerfile", Context: opts.Binaries, Image: name})
	})
	if err != nil {
		t.Fatal(err)
	}
	files, err := store.Files(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"/timonier-instance", "/timonier-operator"}; !slices.Equal(files, want) {
		t.Errorf("the Dockerfile's image has %q, want %q", files, want)
	}
	out, err := store.Run(t.Context(), name, "/timonier-operator")
	if err != nil || out != "hello from the image" {
		t.Errorf("its operator prints %q, %v", out, err)
	}
	got, err := store.Config(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	want, err := open(t, opts.Out).ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got.User != want.Config.User || !slices.Equal(got.Entrypoint, want.Config.Entrypoint) ||
		!slices.Equal(got.Env, want.Config.Env) || got.WorkingDir != want.Config.WorkingDir || len(got.Cmd) != 0 {
		t.Errorf("the Dockerfile's image runs as\n%+v\nand the one made without Docker as\n%+v", got, want.Config)
	}
	for label, value := range want.Config.Labels {
		if got.Labels[label] != value {
			t.Errorf("label %s is %q, want %q", label, got.Labels[label], value)
		}
	}
}

func open(t *testing.T, path string) v1.Image {
	t.Helper()
	archive, err := image.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = archive.Close() })
	img, err := archive.Image()
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// contents lists what is in an image, folders included, and wants all of it to be executable.
func contents(t *testing.T, img v1.Image) []string {
	t.Helper()
	files := mutate.Extract(img)
	defer func() { _ = files.Close() }()
	var found []string
	in := tar.NewReader(files)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			slices.Sort(found)
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Mode&0o111 != 0o111 {
			t.Errorf("%s has mode %o", header.Name, header.Mode)
		}
		found = append(found, header.Name)
	}
}
