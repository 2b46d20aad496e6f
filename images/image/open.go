package image

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Archive is an opened image archive.
type Archive struct {
	Tag string

	file       *os.File
	descriptor v1.Descriptor
	parts      map[string]part
}

// part is where a blob lies in the archive.
type part struct{ offset, size int64 }

// Open reads the table of contents of an archive that Save wrote.
func Open(path string) (*Archive, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening an image archive: %w", err)
	}
	a := &Archive{file: file, parts: map[string]part{}}
	if err := a.scan(); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("reading the image archive %s: %w: build it again", path, err)
	}
	return a, nil
}

// Close closes the file; images of the archive are of no use afterwards.
func (a *Archive) Close() error { return a.file.Close() }

func (a *Archive) scan() error {
	in := tar.NewReader(a.file)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		offset, err := a.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		a.parts[header.Name] = part{offset: offset, size: header.Size}
	}
	content, err := a.read("index.json")
	if err != nil {
		return err
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(content, &index); err != nil {
		return fmt.Errorf("its index.json: %w", err)
	}
	if len(index.Manifests) != 1 {
		return fmt.Errorf("its index.json lists %d images, not one", len(index.Manifests))
	}
	a.descriptor = index.Manifests[0]
	a.Tag = a.descriptor.Annotations[nameAnnotation]
	return nil
}

func (a *Archive) section(name string) (*io.SectionReader, error) {
	p, found := a.parts[name]
	if !found {
		return nil, fmt.Errorf("it has no %s", name)
	}
	return io.NewSectionReader(a.file, p.offset, p.size), nil
}

func (a *Archive) read(name string) ([]byte, error) {
	in, err := a.section(name)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(in)
}

// Image returns the archive's image, with the manifest it was written with.
func (a *Archive) Image() (v1.Image, error) {
	return partial.CompressedToImage(&stored{archive: a})
}

// stored gives go-containerregistry the parts of an image; it derives the rest.
type stored struct{ archive *Archive }

func (s *stored) MediaType() (types.MediaType, error) { return s.archive.descriptor.MediaType, nil }

func (s *stored) RawManifest() ([]byte, error) {
	return s.archive.read(blob(s.archive.descriptor.Digest))
}

func (s *stored) RawConfigFile() ([]byte, error) {
	content, err := s.RawManifest()
	if err != nil {
		return nil, err
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(content, &manifest); err != nil {
		return nil, fmt.Errorf("the manifest of %s: %w", s.archive.Tag, err)
	}
	return s.archive.read(blob(manifest.Config.Digest))
}

func (s *stored) LayerByDigest(digest v1.Hash) (partial.CompressedLayer, error) {
	if _, err := s.archive.section(blob(digest)); err != nil {
		return nil, err
	}
	return &storedLayer{archive: s.archive, digest: digest}, nil
}

type storedLayer struct {
	archive *Archive
	digest  v1.Hash
}

func (l *storedLayer) Digest() (v1.Hash, error)            { return l.digest, nil }
func (l *storedLayer) MediaType() (types.MediaType, error) { return types.OCILayer, nil }
func (l *storedLayer) Size() (int64, error)                { return l.archive.parts[blob(l.digest)].size, nil }

func (l *storedLayer) Compressed() (io.ReadCloser, error) {
	in, err := l.archive.section(blob(l.digest))
	if err != nil {
		return nil, err
	}
	return io.NopCloser(in), nil
}
