package rootfs

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/timonier-io/timonier/images/debian"
)

// Exclude decides by name which files of packages stay out of the image.
type Exclude struct {
	// Patterns match a file's name as path.Match does; one that ends in "/" matches a directory
	// with all that is in it.
	Patterns []string `json:"patterns"`
	// Except is matched by the files that stay although a pattern excludes them.
	Except []string `json:"except"`
}

func (x Exclude) excludes(name string) bool {
	return matchesAny(x.Patterns, name) && !matchesAny(x.Except, name)
}

func matchesAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		dir, isDir := strings.CutSuffix(pattern, "/")
		if !isDir {
			if ok, _ := path.Match(pattern, name); ok {
				return true
			}
			continue
		}
		for part := name; part != "."; part = path.Dir(part) {
			if ok, _ := path.Match(dir, part); ok {
				return true
			}
		}
	}
	return false
}

// AddPackage unpacks a package into the tree, and records its control file where scanners for
// vulnerable packages look in images that have no dpkg.
func (t *Tree) AddPackage(ctx context.Context, pkg debian.Package, exclude Exclude) error {
	files, err := pkg.Files(ctx)
	if err != nil {
		return err
	}
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", pkg.File, err)
		}
		name := clean(header.Name)
		if name == "" || exclude.excludes(name) {
			continue
		}
		e := &entry{origin: pkg.Name, header: normal(header, name)}
		if header.Typeflag == tar.TypeReg {
			var content bytes.Buffer
			if _, err := io.Copy(&content, files); err != nil {
				return fmt.Errorf("reading %s in %s: %w", name, pkg.File, err)
			}
			e.data = content.Bytes()
		}
		if err := t.add(e); err != nil {
			return err
		}
	}
	t.File("var/lib/dpkg/status.d/"+pkg.Name, 0o644, []byte(pkg.Control))
	return nil
}

// normal keeps of a header what an image needs. Set-user-ID programs lose that bit: no
// container of ours may gain rights, and a scanner would have to be told why they are there.
func normal(header *tar.Header, name string) tar.Header {
	out := tar.Header{
		Typeflag: header.Typeflag, Name: name, Linkname: header.Linkname, Size: header.Size,
		Mode: header.Mode & 0o1777, Uid: header.Uid, Gid: header.Gid,
	}
	if header.Typeflag == tar.TypeLink {
		out.Linkname = clean(header.Linkname)
	}
	return out
}
