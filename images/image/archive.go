package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/timonier-io/timonier/images/rootfs"
)

// Annotations that carry an image's name in an OCI layout: containerd reads the first, and
// other tools the second.
const (
	nameAnnotation = "io.containerd.image.name"
	refAnnotation  = "org.opencontainers.image.ref.name"
)

// Save writes an image as an archive under a tag, and its digest in path.digest. An archive
// that holds the same already is left alone, with its time: what depends on it need not be
// loaded again. It reports whether it wrote.
func Save(path, tag string, img v1.Image) (digest v1.Hash, written bool, err error) {
	if digest, err = img.Digest(); err != nil {
		return digest, false, fmt.Errorf("computing the digest of %s: %w", tag, err)
	}
	if holds(path, tag, digest) {
		return digest, false, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return digest, false, fmt.Errorf("making a folder for %s: %w", path, err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".image-*")
	if err != nil {
		return digest, false, fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() { _ = os.Remove(file.Name()) }() // gone already when all went well
	if err := write(file, tag, img); err != nil {
		_ = file.Close()
		return digest, false, fmt.Errorf("writing %s to %s: %w", tag, path, err)
	}
	if err := file.Chmod(0o644); err != nil {
		_ = file.Close()
		return digest, false, fmt.Errorf("writing %s: %w", path, err)
	}
	if err := file.Close(); err != nil {
		return digest, false, fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return digest, false, fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.WriteFile(path+".digest", []byte(digest.String()+"\n"), 0o644); err != nil {
		return digest, false, fmt.Errorf("writing the digest of %s: %w", path, err)
	}
	return digest, true, nil
}

// holds says whether an archive has this image under this tag. Only its index is read.
func holds(path, tag string, digest v1.Hash) bool {
	archive, err := Open(path)
	if err != nil {
		return false // missing, of another kind, or cut short: written anew
	}
	defer func() { _ = archive.Close() }()
	return archive.Tag == tag && archive.descriptor.Digest == digest
}

// dockerManifest is what `docker load` reads.
type dockerManifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func write(out io.Writer, tag string, img v1.Image) error {
	if _, err := name.NewTag(tag, name.StrictValidation); err != nil {
		return fmt.Errorf("the name of the image: %w", err)
	}
	manifest, err := img.Manifest()
	if err != nil {
		return err
	}
	index, err := indexOf(tag, img)
	if err != nil {
		return err
	}
	docker := dockerManifest{Config: blob(manifest.Config.Digest), RepoTags: []string{tag}}
	for _, layer := range manifest.Layers {
		docker.Layers = append(docker.Layers, blob(layer.Digest))
	}

	archive := &archiveWriter{tar: tar.NewWriter(out)}
	archive.json("oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"})
	archive.json("index.json", index) // early, so that holds finds it at once
	archive.json("manifest.json", []dockerManifest{docker})
	rawManifest, err := img.RawManifest()
	if err != nil {
		return err
	}
	rawConfig, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	archive.bytes(blob(index.Manifests[0].Digest), rawManifest)
	archive.bytes(blob(manifest.Config.Digest), rawConfig)
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for i, layer := range layers {
		content, err := layer.Compressed()
		if err != nil {
			return err
		}
		archive.copy(blob(manifest.Layers[i].Digest), manifest.Layers[i].Size, content)
		if err := content.Close(); err != nil {
			return err
		}
	}
	return archive.close()
}

// indexOf is the layout's list of images: this one.
func indexOf(tag string, img v1.Image) (*v1.IndexManifest, error) {
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	size, err := img.Size()
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	return &v1.IndexManifest{
		SchemaVersion: 2,
		MediaType:     types.OCIImageIndex,
		Manifests: []v1.Descriptor{{
			MediaType:   types.OCIManifestSchema1,
			Digest:      digest,
			Size:        size,
			Platform:    config.Platform(),
			Annotations: map[string]string{nameAnnotation: tag, refAnnotation: tag},
		}},
	}, nil
}

func blob(digest v1.Hash) string { return "blobs/" + digest.Algorithm + "/" + digest.Hex }

// archiveWriter remembers the first error, so that the list of an archive's parts reads as one.
type archiveWriter struct {
	tar *tar.Writer
	err error
}

func (w *archiveWriter) copy(name string, size int64, content io.Reader) {
	if w.err != nil {
		return
	}
	w.err = w.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: rootfs.Epoch})
	if w.err == nil {
		_, w.err = io.Copy(w.tar, content)
	}
}

func (w *archiveWriter) bytes(name string, content []byte) {
	w.copy(name, int64(len(content)), bytes.NewReader(content))
}

func (w *archiveWriter) json(name string, value any) {
	content, err := json.Marshal(value)
	if err != nil {
		w.err = err
		return
	}
	w.bytes(name, content)
}

func (w *archiveWriter) close() error {
	if w.err != nil {
		return w.err
	}
	return w.tar.Close()
}
