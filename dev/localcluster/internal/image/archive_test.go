package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestAnArchiveDescribesItsOneLayerByItsDigest(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("content"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := Program{Reference: "example.com/a:1", Files: map[string]string{"/bin/a": program},
		Links: map[string]string{"/bin/b": "a"}, Entrypoint: []string{"/bin/a"}, User: "1:1"}
	if err := p.Write(filepath.Join(dir, "a.tar")); err != nil {
		t.Fatal(err)
	}
	files := entries(t, filepath.Join(dir, "a.tar"))

	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	if got := manifest[0].RepoTags; len(got) != 1 || got[0] != p.Reference {
		t.Errorf("the image's names are %v", got)
	}
	var config struct {
		Config struct{ User string }
		Rootfs struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := json.Unmarshal(files[manifest[0].Config], &config); err != nil {
		t.Fatal(err)
	}
	layer := files[manifest[0].Layers[0]]
	sum := sha256.Sum256(layer)
	if want := "sha256:" + hex.EncodeToString(sum[:]); config.Rootfs.DiffIDs[0] != want {
		t.Errorf("the layer is said to be %s and is %s", config.Rootfs.DiffIDs[0], want)
	}
	if config.Config.User != "1:1" {
		t.Errorf("the image's user is %q", config.Config.User)
	}
	if err := os.WriteFile(filepath.Join(dir, "layer.tar"), layer, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := entries(t, filepath.Join(dir, "layer.tar"))["bin/a"]; !bytes.Equal(got, []byte("content")) {
		t.Errorf("the program in the layer holds %q", got)
	}
}

func entries(t *testing.T, path string) map[string][]byte {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	found := map[string][]byte{}
	for reader := tar.NewReader(file); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if found[header.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
}
