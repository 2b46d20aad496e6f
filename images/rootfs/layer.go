package rootfs

import (
	"archive/tar"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Epoch is the modification time of every file in an image, and the time an image says it was
// made: with the real ones no two builds would have the same digest.
var Epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// WriteTar writes the tree as a tar: sorted by name, hard links last because what they point to
// must come before them.
func (t *Tree) WriteTar(w io.Writer) error {
	t.parents()
	var files, links []string
	for name, e := range t.entries {
		if e.header.Typeflag == tar.TypeLink {
			links = append(links, name)
		} else {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	slices.Sort(links)
	out := tar.NewWriter(w)
	for _, name := range append(files, links...) {
		e := t.entries[name]
		if err := t.check(e); err != nil {
			return err
		}
		header := e.header
		header.ModTime = Epoch
		header.Format = tar.FormatPAX
		if header.Typeflag == tar.TypeDir {
			header.Name += "/"
		}
		if err := out.WriteHeader(&header); err != nil {
			return fmt.Errorf("writing /%s: %w", name, err)
		}
		if _, err := out.Write(e.data); err != nil {
			return fmt.Errorf("writing /%s: %w", name, err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("finishing the layer: %w", err)
	}
	return nil
}

// check finds what an image cannot hold.
func (t *Tree) check(e *entry) error {
	switch e.header.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink:
		return nil
	case tar.TypeLink:
		if _, found := t.entries[e.header.Linkname]; !found {
			return fmt.Errorf("package %s has /%s as a hard link to /%s, which the recipe excludes: exclude both or none",
				e.origin, e.header.Name, e.header.Linkname)
		}
		return nil
	default:
		return fmt.Errorf("package %s has /%s of type %q, which no image needs: exclude it in the recipe",
			e.origin, e.header.Name, strings.TrimSpace(string(e.header.Typeflag)))
	}
}
