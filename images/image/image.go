// Package image turns layers into a container image, writes it as an archive that containerd,
// Docker, Podman and buildah load, and pushes such an archive to a registry.
//
// The archive is an OCI layout in a tar, with Docker's manifest.json beside it. The layout
// keeps the image's manifest, so that the digest that a node reports is the same whether the
// image was loaded from the archive or pulled from a registry it was pushed to.
package image

import (
	"fmt"
	"maps"
	"runtime"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/timonier-io/timonier/images/rootfs"
)

// Config is what an image says about how it runs.
type Config struct {
	User       string
	Entrypoint []string
	Cmd        []string
	Env        []string // NAME=VALUE
	WorkingDir string
	Labels     map[string]string
}

// Layered is a layer with a line that says what it is, for the image's history.
type Layered struct {
	Layer v1.Layer
	Note  string
}

// New makes an image for the architecture this program runs on.
func New(config Config, layers ...Layered) (v1.Image, error) {
	base := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	base = mutate.ConfigMediaType(base, types.OCIConfigJSON)
	addenda := make([]mutate.Addendum, 0, len(layers))
	for _, layer := range layers {
		addenda = append(addenda, mutate.Addendum{
			Layer:     layer.Layer,
			MediaType: types.OCILayer,
			History:   v1.History{Created: v1.Time{Time: rootfs.Epoch}, CreatedBy: layer.Note},
		})
	}
	img, err := mutate.Append(base, addenda...)
	if err != nil {
		return nil, fmt.Errorf("putting the layers of an image together: %w", err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("configuring an image: %w", err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Created = v1.Time{Time: rootfs.Epoch}
	file.Config = v1.Config{
		User: config.User, Entrypoint: config.Entrypoint, Cmd: config.Cmd,
		Env: config.Env, WorkingDir: config.WorkingDir, Labels: config.Labels,
	}
	img, err = mutate.ConfigFile(img, file)
	if err != nil {
		return nil, fmt.Errorf("configuring an image: %w", err)
	}
	return img, nil
}

// AddFiles returns the layer that puts files (path to content) on top of an image.
func AddFiles(files map[string]string) (Layered, error) {
	tree := rootfs.Overlay()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		tree.File(name, 0o644, []byte(files[name]))
	}
	layer, err := MemoryLayer(tree.WriteTar)
	if err != nil {
		return Layered{}, fmt.Errorf("adding files to an image: %w", err)
	}
	return Layered{Layer: layer, Note: "files added at build"}, nil
}
