package image

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Destination is where images are pushed.
type Destination struct {
	Registry string // host[:port], optionally with a path
	Insecure bool   // plain HTTP
}

// Reference is the name that an image gets there: what its tag says, without the tag's own
// registry. timonier.local/postgres:17 becomes HOST/PREFIX/postgres:17.
func (d Destination) Reference(tag string) (name.Tag, error) {
	from, err := name.NewTag(tag, name.StrictValidation)
	if err != nil {
		return name.Tag{}, fmt.Errorf("the image's own name: %w", err)
	}
	var options []name.Option
	if d.Insecure {
		options = append(options, name.Insecure)
	}
	to, err := name.NewTag(strings.TrimSuffix(d.Registry, "/")+"/"+from.RepositoryStr()+":"+from.TagStr(), options...)
	if err != nil {
		return name.Tag{}, fmt.Errorf("the name of %s in registry %q: %w: give it as HOST[:PORT][/PREFIX]", tag, d.Registry, err)
	}
	return to, nil
}

// Push uploads an archive's image unchanged and returns its name by digest. Credentials are
// those of `docker login`, if there are any.
func Push(ctx context.Context, path string, to Destination) (name.Tag, v1.Hash, error) {
	archive, err := Open(path)
	if err != nil {
		return name.Tag{}, v1.Hash{}, err
	}
	defer func() { _ = archive.Close() }()
	ref, err := to.Reference(archive.Tag)
	if err != nil {
		return name.Tag{}, v1.Hash{}, err
	}
	img, err := archive.Image()
	if err != nil {
		return ref, v1.Hash{}, fmt.Errorf("reading the image in %s: %w", path, err)
	}
	if err := remote.Write(ref, img, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return ref, v1.Hash{}, fmt.Errorf("pushing %s as %s: %w", path, ref, err)
	}
	return ref, archive.descriptor.Digest, nil
}
