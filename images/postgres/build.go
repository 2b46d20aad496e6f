package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/timonier-io/timonier/images/debian"
	"github.com/timonier-io/timonier/images/image"
	"github.com/timonier-io/timonier/images/rootfs"
	"github.com/timonier-io/timonier/images/stage"
)

// Options of a build.
type Options struct {
	Out   string // the archive to write
	Tag   string // the image's name in it
	Cache string // absolute; what is kept between builds

	Mirrors debian.Mirrors    // empty: those of the machine
	Refresh bool              // ask the archive for newer packages even if that was done today
	Files   map[string]string // path to content, in a layer on top
	Labels  map[string]string // added to the image's own
	Rootfs  string            // unpack the root file system there too; empty: do not

	Log *stage.Log
	Now func() time.Time
}

// Result says what was built.
type Result struct {
	Digest   v1.Hash
	Written  bool              // false: the archive was there and the same
	Size     int64             // of the compressed layers, in bytes
	Versions map[string]string // package name to version, of what is in the image
}

// Build makes the image. The root file system is made when the recipe or the packages changed;
// the archive is asked for newer packages once a day.
func Build(ctx context.Context, opts Options) (Result, error) {
	unlock, err := lock(opts.Cache)
	if err != nil {
		return Result{}, err
	}
	defer unlock()

	base, err := baseLayer(ctx, opts)
	if err != nil {
		return Result{}, err
	}
	layers := []image.Layered{{Layer: base.layer, Note: "Debian packages"}}
	if len(opts.Files) > 0 {
		added, err := image.AddFiles(opts.Files)
		if err != nil {
			return Result{}, err
		}
		layers = append(layers, added)
	}
	img, err := image.New(config(base.Versions, opts.Labels), layers...)
	if err != nil {
		return Result{}, err
	}
	result := Result{Versions: base.Versions}
	err = opts.Log.Run("archive "+opts.Tag, func() error {
		result.Digest, result.Written, err = image.Save(opts.Out, opts.Tag, img)
		return err
	})
	if err != nil {
		return Result{}, err
	}
	for _, layer := range layers {
		size, err := layer.Layer.Size()
		if err != nil {
			return Result{}, fmt.Errorf("measuring the image: %w", err)
		}
		result.Size += size
	}
	if opts.Rootfs != "" {
		if err := unpack(opts, base); err != nil {
			return Result{}, err
		}
	}
	return result, nil
}

// base is a finished root file system in the cache, and the record of how it came about.
type base struct {
	Key      string            `json:"key"`    // of the layer: the recipe and the packages
	Recipe   string            `json:"recipe"` // key of the recipe
	Day      string            `json:"day"`    // when the archive was last asked, in UTC
	Versions map[string]string `json:"versions"`

	layer *image.Layer
}

func (b base) path(cache string) string { return filepath.Join(cache, "layer-"+b.Key+".tar.gz") }

// baseLayer returns the layer of packages: of the cache when the recipe is the same and the
// archive was asked today, else made anew from what the archive has now.
func baseLayer(ctx context.Context, opts Options) (base, error) {
	recipe := NewRecipe(runtime.GOARCH) // Debian and Go have the same names for amd64 and arm64
	recipeKey, err := keyOf(recipe)
	if err != nil {
		return base{}, err
	}
	today := opts.Now().UTC().Format(time.DateOnly)
	record := filepath.Join(opts.Cache, "postgres.json")
	known, err := readBase(record, opts.Cache)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			opts.Log.Say("building anew: %v", err)
		}
		known = base{}
	}
	usable := known.layer != nil && known.Recipe == recipeKey && !opts.Refresh
	if usable && known.Day == today {
		opts.Log.Say("packages unchanged since today's build")
		return known, nil
	}

	packages, err := fetch(ctx, opts, recipe)
	if err != nil && usable && ctx.Err() == nil {
		// Off the network, a few days old is better than nothing. The next build tries again.
		opts.Log.Say("keeping the packages of %s, for newer ones cannot be looked for: %v", known.Day, err)
		return known, nil
	}
	if err != nil {
		return base{}, err
	}
	fresh, err := baseOf(ctx, opts, recipe, packages, known)
	if err != nil {
		return base{}, err
	}
	fresh.Recipe, fresh.Day = recipeKey, today
	return fresh, writeBase(record, opts.Cache, fresh)
}

// baseOf makes the layer of packages, or takes the last build's if that was of the same.
func baseOf(ctx context.Context, opts Options, recipe Recipe, packages []debian.Package, last base) (base, error) {
	fresh := base{Versions: map[string]string{}}
	for _, pkg := range packages {
		fresh.Versions[pkg.Name] = pkg.Version
	}
	var err error
	if fresh.Key, err = keyOf(recipe, fresh.Versions); err != nil {
		return base{}, err
	}
	if last.layer != nil && last.Key == fresh.Key {
		fresh.layer = last.layer
		return fresh, nil
	}
	err = assemble(ctx, opts, recipe, packages, &fresh)
	return fresh, err
}

// fetch downloads the packages and reads what they are.
func fetch(ctx context.Context, opts Options, recipe Recipe) ([]debian.Package, error) {
	mirrors := opts.Mirrors
	if mirrors.Archive == "" {
		var err error
		if mirrors, err = debian.HostMirrors("/"); err != nil {
			return nil, err
		}
	}
	if mirrors.Security == "" {
		opts.Log.Say("no security archive in apt's sources: the image lacks fixes since the last point release")
	}
	var packages []debian.Package
	err := opts.Log.Run("download", func() error {
		apt := debian.Apt{Dir: filepath.Join(opts.Cache, "apt"), Mirrors: mirrors}
		files, err := apt.Fetch(ctx, recipe.Request)
		if err != nil {
			return err
		}
		for _, file := range files {
			pkg, err := debian.Open(ctx, file)
			if err != nil {
				return err
			}
			packages = append(packages, pkg)
		}
		return nil
	})
	return packages, err
}

// assemble unpacks the packages and writes the layer.
func assemble(ctx context.Context, opts Options, recipe Recipe, packages []debian.Package, b *base) error {
	tree := rootfs.New()
	err := opts.Log.Run(fmt.Sprintf("unpack %d packages", len(packages)), func() error {
		for _, pkg := range packages {
			if err := tree.AddPackage(ctx, pkg, recipe.Exclude); err != nil {
				return err
			}
		}
		return finish(tree)
	})
	if err != nil {
		return err
	}
	return opts.Log.Run("layer", func() error {
		b.layer, err = image.WriteLayer(b.path(opts.Cache), tree.WriteTar)
		return err
	})
}

// unpack lays the root file system out, unless it lies there already.
func unpack(opts Options, b base) error {
	stamp := opts.Rootfs + ".key"
	if content, err := os.ReadFile(stamp); err == nil && string(content) == b.Key {
		return nil
	}
	return opts.Log.Run("root file system", func() error {
		content, err := b.layer.Uncompressed()
		if err != nil {
			return fmt.Errorf("reading the layer: %w", err)
		}
		defer func() { _ = content.Close() }()
		if err := rootfs.Extract(content, opts.Rootfs); err != nil {
			return err
		}
		if err := os.WriteFile(stamp, []byte(b.Key), 0o644); err != nil {
			return fmt.Errorf("noting which root file system it is: %w", err)
		}
		return nil
	})
}
