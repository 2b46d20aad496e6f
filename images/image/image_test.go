package image

import (
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/timonier-io/timonier/images/rootfs"
)

const tag = "timonier.local/example:1"

// example makes an image of two layers.
func example(t *testing.T, added string) v1.Image {
	t.Helper()
	tree := rootfs.New()
	tree.File("etc/base", 0o644, []byte(strings.Repeat("base ", 10_000)))
	base, err := WriteLayer(filepath.Join(t.TempDir(), "layer.tar.gz"), tree.WriteTar)
	if err != nil {
		t.Fatal(err)
	}
	top, err := AddFiles(map[string]string{"/etc/variant": added})
	if err != nil {
		t.Fatal(err)
	}
	img, err := New(Config{User: "1:0", Cmd: []string{"/true"}, Labels: map[string]string{"a": "b"}},
		Layered{Layer: base, Note: "base"}, top)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func save(t *testing.T, img v1.Image) (path string, digest v1.Hash) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "image.tar")
	digest, written, err := Save(path, tag, img)
	if err != nil {
		t.Fatal(err)
	}
	if !written {
		t.Fatal("the archive was not written")
	}
	return path, digest
}

func TestAnArchiveHoldsTheImage(t *testing.T) {
	img := example(t, "x")
	if err := validate.Image(img); err != nil {
		t.Fatalf("before: %v", err)
	}
	path, digest := save(t, img)
	archive, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = archive.Close() }()
	if archive.Tag != tag {
		t.Errorf("tag %q, want %q", archive.Tag, tag)
	}
	again, err := archive.Image()
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(again); err != nil {
		t.Errorf("after: %v", err)
	}
	if got, err := again.Digest(); err != nil || got != digest {
		t.Errorf("digest %s (%v), want %s", got, err, digest)
	}
	noted, err := os.ReadFile(path + ".digest")
	if err != nil || strings.TrimSpace(string(noted)) != digest.String() {
		t.Errorf("the file beside it says %q (%v), want %s", noted, err, digest)
	}
}

func TestAnArchiveIsReadAsDockersToo(t *testing.T) {
	path, _ := save(t, example(t, "x"))
	img, err := tarball.ImageFromPath(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
}

func TestAnArchiveIsWrittenOnlyWhenItChanges(t *testing.T) {
	img := example(t, "x")
	path, digest := save(t, img)
	again, written, err := Save(path, tag, img)
	if err != nil || written || again != digest {
		t.Errorf("the same image: digest %s, written %v, error %v", again, written, err)
	}
	if _, written, err := Save(path, "timonier.local/example:2", img); err != nil || !written {
		t.Errorf("another tag: written %v, error %v", written, err)
	}
	other, written, err := Save(path, tag, example(t, "y"))
	if err != nil || !written || other == digest {
		t.Errorf("another image: digest %s, written %v, error %v", other, written, err)
	}
	if err := os.Truncate(path, 1000); err != nil {
		t.Fatal(err)
	}
	if _, written, err := Save(path, tag, example(t, "y")); err != nil || !written {
		t.Errorf("a damaged archive: written %v, error %v", written, err)
	}
}

func TestAPushedImageIsPulledWithTheSameDigest(t *testing.T) {
	server := httptest.NewServer(registry.New())
	defer server.Close()
	path, digest := save(t, example(t, "x"))
	to := Destination{Registry: strings.TrimPrefix(server.URL, "http://") + "/some/prefix", Insecure: true}

	for range 2 { // a second push of the same is no error
		ref, pushed, err := Push(t.Context(), path, to)
		if err != nil {
			t.Fatal(err)
		}
		if pushed != digest {
			t.Errorf("pushed %s, want %s", pushed, digest)
		}
		if want := to.Registry + "/example:1"; ref.Name() != want {
			t.Errorf("pushed as %s, want %s", ref.Name(), want)
		}
		img, err := remote.Image(ref)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img); err != nil {
			t.Error(err)
		}
		if got, err := img.Digest(); err != nil || got != digest {
			t.Errorf("pulled %s (%v), want %s", got, err, digest)
		}
	}
}

func TestAPushThatCannotWorkSaysWhy(t *testing.T) {
	path, _ := save(t, example(t, "x"))
	missing := filepath.Join(t.TempDir(), "none.tar")
	if _, _, err := Push(t.Context(), missing, Destination{Registry: "127.0.0.1:1"}); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("missing archive: %v", err)
	}
	if _, _, err := Push(t.Context(), path, Destination{Registry: "Not A Host"}); err == nil || !strings.Contains(err.Error(), "HOST[:PORT]") {
		t.Errorf("bad registry: %v", err)
	}
}

func TestALayerKeptOnDiskIsTheSameWhenOpenedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "layer.tar.gz")
	written, err := WriteLayer(path, func(w io.Writer) error { _, err := io.WriteString(w, "content"); return err })
	if err != nil {
		t.Fatal(err)
	}
	opened, err := OpenLayer(path)
	if err != nil {
		t.Fatal(err)
	}
	if opened.meta != written.meta {
		t.Errorf("opened %+v, wrote %+v", opened.meta, written.meta)
	}
	content, err := opened.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = content.Close() }()
	if got, err := io.ReadAll(content); err != nil || string(got) != "content" {
		t.Errorf("read %q, %v", got, err)
	}
}
