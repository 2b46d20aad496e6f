// Package image writes container images without a registry or an engine: an image is one layer, a
// tar, with a description beside it, the form that `ctr images import` and `docker load` read.
package image

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// Program is an image that holds static binaries and nothing else.
type Program struct {
	// Reference is the image's name with its tag.
	Reference string
	// Files maps paths in the image to executables on this machine.
	Files map[string]string
	// Links maps further paths in the image to the path they point at.
	Links map[string]string
	// Entrypoint is what runs.
	Entrypoint []string
	// User is the numeric user and group, "65532:65532"; empty means root.
	User string
}

// Write makes the archive, unless it is newer than all of the image's files.
func (p Program) Write(path string) error {
	if p.upToDate(path) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("writing the image %s: %w", p.Reference, err)
	}
	layer, err := os.CreateTemp(filepath.Dir(path), "layer-*")
	if err != nil {
		return fmt.Errorf("writing the image %s: %w", p.Reference, err)
	}
	defer os.Remove(layer.Name())
	defer layer.Close()
	digest := sha256.New()
	if err := p.writeLayer(io.MultiWriter(layer, digest)); err != nil {
		return fmt.Errorf("writing the layer of %s: %w", p.Reference, err)
	}
	temporary := path + ".new"
	if err := p.writeArchive(temporary, layer, hex.EncodeToString(digest.Sum(nil))); err != nil {
		return fmt.Errorf("writing the image %s: %w", p.Reference, err)
	}
	return os.Rename(temporary, path)
}

func (p Program) upToDate(path string) bool {
	archive, err := os.Stat(path)
	if err != nil {
		return false
	}
	for _, file := range p.Files {
		if info, err := os.Stat(file); err != nil || info.ModTime().After(archive.ModTime()) {
			return false
		}
	}
	return true
}

func (p Program) writeLayer(to io.Writer) error {
	w := tar.NewWriter(to)
	// A directory for programs and one anybody may write to: even small programs expect /tmp.
	for _, dir := range []tar.Header{{Name: "bin/", Mode: 0o755}, {Name: "tmp/", Mode: 0o1777}} {
		dir.Typeflag = tar.TypeDir
		if err := w.WriteHeader(&dir); err != nil {
			return err
		}
	}
	// In order, so that the same files make the same layer.
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		if err := addFile(w, name, 0o755, p.Files[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Links)) {
		if err := w.WriteHeader(&tar.Header{Name: name[1:], Typeflag: tar.TypeSymlink, Linkname: p.Links[name]}); err != nil {
			return err
		}
	}
	return w.Close()
}

func (p Program) writeArchive(path string, layer *os.File, layerDigest string) error {
	config := map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "created": time.Unix(0, 0).UTC(),
		"config": map[string]any{"Entrypoint": p.Entrypoint, "User": p.User, "Env": []string{"PATH=/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + layerDigest}},
	}
	configJSON, err := json.Marshal(config)
	if err != nil {
		return err
	}
	configDigest := sha256.Sum256(configJSON)
	configName := hex.EncodeToString(configDigest[:]) + ".json"
	manifest, err := json.Marshal([]any{map[string]any{
		"Config": configName, "RepoTags": []string{p.Reference}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	w := tar.NewWriter(file)
	for name, content := range map[string][]byte{"manifest.json": manifest, configName: configJSON} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			return err
		}
		if _, err := w.Write(content); err != nil {
			return err
		}
	}
	if err := addFile(w, "/layer.tar", 0o644, layer.Name()); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return file.Close()
}

func addFile(w *tar.Writer, name string, mode int64, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: name[1:], Mode: mode, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(w, file)
	return err
}
