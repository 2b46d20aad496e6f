// Package timonier makes the image of Timonier's own programs: static binaries and nothing
// else, not even a shell. The operator runs from it, and an init container of it copies the
// instance manager into each PostgreSQL pod.
package timonier

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/timonier-io/timonier/images/image"
	"github.com/timonier-io/timonier/images/rootfs"
	"github.com/timonier-io/timonier/images/stage"
)

// User owns the processes of the image; it has no name, for there is no passwd file.
const User = "65532:65532"

// Options of a build.
type Options struct {
	Out      string // the archive to write
	Tag      string // the image's name in it
	Binaries string // folder that has them
	Names    []string
	Labels   map[string]string

	Log *stage.Log
}

// Result says what was built.
type Result struct {
	Digest  v1.Hash
	Written bool  // false: the archive was there and the same
	Size    int64 // of the compressed layer, in bytes
}

// Build makes the image; the first of the names is its entry point.
func Build(opts Options) (Result, error) {
	tree := rootfs.Overlay() // no directories, no links: just the files
	for _, name := range opts.Names {
		content, err := staticBinary(filepath.Join(opts.Binaries, name))
		if err != nil {
			return Result{}, err
		}
		tree.File(name, 0o755, content)
	}
	var layer v1.Layer
	err := opts.Log.Run("layer", func() (err error) {
		layer, err = image.MemoryLayer(tree.WriteTar)
		return err
	})
	if err != nil {
		return Result{}, err
	}
	img, err := image.New(config(opts), image.Layered{Layer: layer, Note: "static binaries"})
	if err != nil {
		return Result{}, err
	}
	var result Result
	err = opts.Log.Run("archive "+opts.Tag, func() (err error) {
		result.Digest, result.Written, err = image.Save(opts.Out, opts.Tag, img)
		return err
	})
	if err != nil {
		return Result{}, err
	}
	if result.Size, err = layer.Size(); err != nil {
		return Result{}, fmt.Errorf("measuring the image: %w", err)
	}
	return result, nil
}

func config(opts Options) image.Config {
	labels := map[string]string{
		"org.opencontainers.image.title":       "Timonier",
		"org.opencontainers.image.description": "Operator and instance manager of Timonier",
		"org.opencontainers.image.source":      "https://github.com/timonier-io/timonier",
		"org.opencontainers.image.vendor":      "Timonier",
	}
	for name, value := range opts.Labels {
		labels[name] = value
	}
	return image.Config{
		User:       User,
		Entrypoint: []string{"/" + opts.Names[0]},
		Env:        []string{"PATH=/"},
		WorkingDir: "/",
		Labels:     labels,
	}
}

// staticBinary reads a program and refuses one that needs a loader: the image has none, and the
// kernel would only say "no such file or directory".
func staticBinary(path string) ([]byte, error) {
	file, err := elf.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s: build the binaries first, or pass --binaries DIR", path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w: it must be a Linux program", path, err)
	}
	defer func() { _ = file.Close() }()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			return nil, fmt.Errorf("%s is linked dynamically and the image has no libraries: build it with CGO_ENABLED=0", path)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return content, nil
}
