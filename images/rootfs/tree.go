// Package rootfs assembles a root file system in memory, from packages and from files of our
// own, and writes it as a layer. Nothing is unpacked on the way: the result depends on the
// input alone (not on the user, the umask, the clock or the order of a directory), and needs no
// root.
//
// tree.go holds the tree, packages.go fills it from packages, layer.go writes it as a tar, and
// extract.go lays such a tar out on disk for tests that run its programs.
package rootfs

import (
	"archive/tar"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Tree is a root file system. Names in it are relative, clean and without a leading "./".
type Tree struct {
	entries map[string]*entry
	overlay bool // a further layer: directories that it does not name are below it
}

type entry struct {
	header tar.Header
	data   []byte
	origin string // the package it is from, for messages
}

// New returns a tree with nothing but the links that make /bin, /sbin and /lib* the ones in
// /usr and /var/run the one in /, as in every current Debian. What packages bring under the
// other name is put in the right place.
func New() *Tree {
	t := &Tree{entries: map[string]*entry{}}
	for name, target := range merged {
		t.Link(name, strings.Repeat("../", strings.Count(name, "/"))+target)
		t.Directory(target, 0o755, 0, 0)
	}
	return t
}

// Overlay returns an empty tree for a layer on top of another.
func Overlay() *Tree { return &Tree{entries: map[string]*entry{}, overlay: true} }

// merged are the directories that are links, and where they lead.
var merged = map[string]string{
	"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64",
	"var/run": "run", "var/lock": "run/lock",
}

// clean gives the name under which the tree holds a file.
func clean(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	for link, target := range merged {
		if rest, inside := strings.CutPrefix(name, link+"/"); inside {
			return target + "/" + rest
		}
	}
	return name
}

// Directory makes a directory, or changes the owner and mode of one that is there.
func (t *Tree) Directory(name string, mode int64, uid, gid int) {
	name = clean(name)
	t.entries[name] = &entry{origin: "the recipe", header: tar.Header{
		Typeflag: tar.TypeDir, Name: name, Mode: mode, Uid: uid, Gid: gid}}
}

// File writes a file of root's, over one that a package brought.
func (t *Tree) File(name string, mode int64, content []byte) {
	name = clean(name)
	t.entries[name] = &entry{origin: "the recipe", data: content, header: tar.Header{
		Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content))}}
}

// Link makes a symbolic link.
func (t *Tree) Link(name, target string) {
	name = clean(name)
	t.entries[name] = &entry{origin: "the recipe", header: tar.Header{
		Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}}
}

// Content returns a regular file's bytes.
func (t *Tree) Content(name string) ([]byte, error) {
	e, found := t.entries[clean(name)]
	if !found || e.header.Typeflag != tar.TypeReg {
		return nil, fmt.Errorf("the image has no regular file /%s", clean(name))
	}
	return e.data, nil
}

// Glob returns the names of the regular files in a directory or below it, sorted.
func (t *Tree) Glob(dir, suffix string) []string {
	var names []string
	for name, e := range t.entries {
		if e.header.Typeflag == tar.TypeReg && strings.HasPrefix(name, dir+"/") && strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// add puts a package's file into the tree. Two packages may share a directory, and nothing else.
func (t *Tree) add(e *entry) error {
	old, taken := t.entries[e.header.Name]
	if taken {
		if old.header.Typeflag == tar.TypeDir && e.header.Typeflag == tar.TypeDir {
			return nil
		}
		if _, isLink := merged[e.header.Name]; isLink {
			return nil
		}
		if old.header.Typeflag == e.header.Typeflag && old.header.Linkname == e.header.Linkname &&
			slices.Equal(old.data, e.data) {
			return nil
		}
		return fmt.Errorf("packages %s and %s both bring /%s, with different content: "+
			"exclude it in the recipe of the image", old.origin, e.origin, e.header.Name)
	}
	t.entries[e.header.Name] = e
	return nil
}

// parents makes the directories that files need and no package brought.
func (t *Tree) parents() {
	if t.overlay {
		return
	}
	for name := range t.entries {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, found := t.entries[dir]; !found {
				t.Directory(dir, 0o755, 0, 0)
			}
		}
	}
}
