package image

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Layer is a compressed tar on disk whose digests are known, so that an image made of it is
// written without reading it through first.
type Layer struct {
	path string
	meta layerMeta
}

type layerMeta struct {
	Digest v1.Hash `json:"digest"` // of the compressed file
	DiffID v1.Hash `json:"diffID"` // of the tar in it
	Size   int64   `json:"size"`   // of the compressed file, in bytes
}

// WriteLayer compresses what write produces into path, with its digests beside it in
// path.json. The fastest gzip is used: a node unpacks it as quickly, and it costs 10 % in size.
func WriteLayer(path string, write func(io.Writer) error) (*Layer, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("making a folder for a layer: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".layer-*")
	if err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }() // gone already when all went well
	defer func() { _ = file.Close() }()

	compressed, content := sha256.New(), sha256.New()
	zip, err := gzip.NewWriterLevel(io.MultiWriter(file, compressed), gzip.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	if err := write(io.MultiWriter(zip, content)); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, fmt.Errorf("compressing layer %s: %w", path, err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	layer := &Layer{path: path, meta: layerMeta{Digest: sum(compressed), DiffID: sum(content), Size: info.Size()}}
	description, err := json.MarshalIndent(layer.meta, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("describing layer %s: %w", path, err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return nil, fmt.Errorf("writing layer %s: %w", path, err)
	}
	if err := os.WriteFile(path+".json", description, 0o644); err != nil {
		return nil, fmt.Errorf("describing layer %s: %w", path, err)
	}
	return layer, nil
}

// OpenLayer returns a layer that WriteLayer wrote. The error wraps fs.ErrNotExist if there is
// none.
func OpenLayer(path string) (*Layer, error) {
	description, err := os.ReadFile(path + ".json")
	if err != nil {
		return nil, fmt.Errorf("opening layer %s: %w", path, err)
	}
	layer := &Layer{path: path}
	if err := json.Unmarshal(description, &layer.meta); err != nil {
		return nil, fmt.Errorf("reading %s.json: %w: remove it and build again", path, err)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("opening layer %s: %w", path, err)
	}
	return layer, nil
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// MemoryLayer is a layer in memory, for what is too quickly made to be kept.
func MemoryLayer(write func(io.Writer) error) (v1.Layer, error) {
	var out bytes.Buffer
	compressed, content := sha256.New(), sha256.New()
	zip, err := gzip.NewWriterLevel(io.MultiWriter(&out, compressed), gzip.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	if err := write(io.MultiWriter(zip, content)); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, fmt.Errorf("compressing a layer: %w", err)
	}
	return &memoryLayer{
		Layer: Layer{meta: layerMeta{Digest: sum(compressed), DiffID: sum(content), Size: int64(out.Len())}},
		data:  out.Bytes(),
	}, nil
}

type memoryLayer struct {
	Layer
	data []byte
}

func (l *memoryLayer) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(l.data)), nil
}

func (l *memoryLayer) Uncompressed() (io.ReadCloser, error) { return unzip(l.Compressed()) }

// Digest is that of the compressed layer, which registries know it by.
func (l *Layer) Digest() (v1.Hash, error) { return l.meta.Digest, nil }

// DiffID is the digest of the tar in it, which the image's configuration lists.
func (l *Layer) DiffID() (v1.Hash, error) { return l.meta.DiffID, nil }

// Size is that of the compressed layer, in bytes.
func (l *Layer) Size() (int64, error) { return l.meta.Size, nil }

// MediaType is a gzipped tar's.
func (l *Layer) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Compressed opens the layer as it is stored and sent.
func (l *Layer) Compressed() (io.ReadCloser, error) { return os.Open(l.path) }

// Uncompressed opens the tar in it.
func (l *Layer) Uncompressed() (io.ReadCloser, error) { return unzip(l.Compressed()) }

// unzip closes the compressed stream with the reader it returns.
func unzip(compressed io.ReadCloser, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, err
	}
	zip, err := gzip.NewReader(compressed)
	if err != nil {
		_ = compressed.Close()
		return nil, fmt.Errorf("reading a layer: %w", err)
	}
	return struct {
		io.Reader
		io.Closer
	}{zip, compressed}, nil
}
