package postgres

import (
	"archive/tar"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/timonier-io/timonier/images/debian"
	"github.com/timonier-io/timonier/images/image"
	"github.com/timonier-io/timonier/images/stage"
)

// emptyCache gives the options of a build that finds nothing of an earlier one.
func emptyCache(t *testing.T) Options {
	t.Helper()
	theImage(t) // the machine has what a build needs
	dir := t.TempDir()
	return Options{
		Out: filepath.Join(dir, "postgres.tar"), Tag: "timonier.local/postgres:17",
		Cache: filepath.Join(dir, "cache"), Log: stage.New("postgres", os.Stdout, time.Now), Now: time.Now,
	}
}

func mustBuild(t *testing.T, opts Options) Result {
	t.Helper()
	result, err := Build(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestABuildFromNothingIsQuickAndOneMoreIsTheSame(t *testing.T) {
	opts := emptyCache(t)
	start := time.Now()
	first := mustBuild(t, opts)
	if took := time.Since(start); took > 2*time.Minute {
		t.Errorf("took %s from nothing, more than two minutes", took)
	}
	if !first.Written {
		t.Error("nothing was written")
	}

	t.Run("nothing changed: nothing is done", func(t *testing.T) {
		start := time.Now()
		again := mustBuild(t, opts)
		if again.Written || again.Digest != first.Digest {
			t.Errorf("written %v, digest %s, want %s", again.Written, again.Digest, first.Digest)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %s, more than five seconds", took)
		}
	})

	t.Run("made again of the same packages: the same digest", func(t *testing.T) {
		removeLayers(t, opts.Cache)
		if again := mustBuild(t, opts); again.Digest != first.Digest {
			t.Errorf("digest %s, want %s", again.Digest, first.Digest)
		}
	})

	t.Run("a day later: newer packages are looked for", func(t *testing.T) {
		later := opts
		later.Now = func() time.Time { return time.Now().AddDate(0, 0, 1) }
		mustBuild(t, later)
		record, err := os.ReadFile(filepath.Join(opts.Cache, "postgres.json"))
		if err != nil {
			t.Fatal(err)
		}
		if day := later.Now().UTC().Format(time.DateOnly); !strings.Contains(string(record), day) {
			t.Errorf("the record does not say that the archive was asked on %s:\n%s", day, record)
		}
	})

	t.Run("the mirror cannot be reached: what there is serves, unless newer is asked for", func(t *testing.T) {
		offline := opts
		offline.Mirrors = debian.Mirrors{Archive: "http://127.0.0.1:9/debian"} // nothing listens there
		offline.Now = func() time.Time { return time.Now().AddDate(0, 0, 2) }
		if kept := mustBuild(t, offline); kept.Written {
			t.Error("the archive was written anew")
		}
		offline.Refresh = true
		if _, err := Build(t.Context(), offline); err == nil {
			t.Error("a refresh without mirror was no error")
		}
	})
}

func removeLayers(t *testing.T, cache string) {
	t.Helper()
	layers, err := filepath.Glob(filepath.Join(cache, "layer-*"))
	if err != nil || len(layers) == 0 {
		t.Fatalf("the cache has the layers %v, %v", layers, err)
	}
	for _, path := range layers {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnAddedFileMakesAnotherImageAtOnce(t *testing.T) {
	image := theImage(t)
	opts := image.options
	opts.Out = filepath.Join(t.TempDir(), "variant.tar")
	opts.Tag = "timonier.local/postgres:17-variant"
	opts.Files = map[string]string{"/etc/timonier-image-variant": "blue\n"}
	opts.Labels = map[string]string{"variant": "blue"}
	start := time.Now()
	variant := mustBuild(t, opts)
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("took %s, more than three seconds", took)
	}
	if variant.Digest == image.Digest {
		t.Error("the digest is the same")
	}
	if got := contentOf(t, opts.Out, "etc/timonier-image-variant"); got != "blue\n" {
		t.Errorf("the file has %q", got)
	}
	if got := contentOf(t, opts.Out, "etc/nsswitch.conf"); !strings.Contains(got, "passwd: files") {
		t.Errorf("the layer below is gone: /etc/nsswitch.conf has %q", got)
	}
	if got := configOf(t, opts.Out).Labels["variant"]; got != "blue" {
		t.Errorf("the label has %q", got)
	}
}

func TestTheImageSaysHowItRuns(t *testing.T) {
	config := configOf(t, theImage(t).options.Out)
	if config.User != "10001:0" {
		t.Errorf("user %q, want a number that is not root's", config.User)
	}
	if len(config.Entrypoint) != 0 {
		t.Errorf("entry point %q, want none: the instance manager is the command", config.Entrypoint)
	}
	if got := config.Labels[VersionsLabel]; got != "17,15" {
		t.Errorf("label %s is %q", VersionsLabel, got)
	}
	if len(config.Volumes) != 0 {
		t.Errorf("volumes %v, want none: a runtime would make them behind our back", config.Volumes)
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

func configOf(t *testing.T, path string) v1.Config {
	t.Helper()
	file, err := open(t, path).ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return file.Config
}

// contentOf reads a file as a container of the image would see it.
func contentOf(t *testing.T, path, name string) string {
	t.Helper()
	files := mutate.Extract(open(t, path))
	defer func() { _ = files.Close() }()
	in := tar.NewReader(files)
	for {
		header, err := in.Next()
		if err != nil {
			t.Fatalf("looking for %s: %v", name, err)
		}
		if header.Name == name {
			content, err := io.ReadAll(in)
			if err != nil {
				t.Fatal(err)
			}
			return string(content)
		}
	}
}
