package rootfs

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/images/debian"
)

// deb makes a package of the given files (mode 4755 where the name ends in "!").
func deb(t *testing.T, name string, files map[string]string) debian.Package {
	t.Helper()
	dir := t.TempDir()
	files["DEBIAN/control"] = "Package: " + name + "\nVersion: 1.0-1\nArchitecture: all\nMaintainer: none\nDescription: test\n"
	for file, content := range files {
		path, special := strings.CutSuffix(filepath.Join(dir, file), "!")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if special {
			if err := os.Chmod(path, 0o755|os.ModeSetuid); err != nil {
				t.Fatal(err)
			}
		}
	}
	file := filepath.Join(t.TempDir(), name+".deb")
	if out, err := exec.Command("dpkg-deb", "--root-owner-group", "--build", dir, file).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, out)
	}
	pkg, err := debian.Open(context.Background(), file)
	if err != nil {
		t.Fatal(err)
	}
	return pkg
}

func layer(t *testing.T, tree *Tree) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := tree.WriteTar(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func headers(t *testing.T, layer []byte) map[string]*tar.Header {
	t.Helper()
	found := map[string]*tar.Header{}
	in := tar.NewReader(bytes.NewReader(layer))
	for {
		header, err := in.Next()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found[header.Name] = header
	}
}

func TestAPackageIsUnpackedWithoutWhatIsExcluded(t *testing.T) {
	tree := New()
	pkg := deb(t, "tool", map[string]string{
		"bin/tool!":                     "program",
		"usr/share/doc/tool/copyright":  "free",
		"usr/share/doc/tool/changelog":  "long",
		"usr/lib/tool/9/bitcode/a/b.bc": "bits",
		"var/run/tool/pid":              "",
	})
	exclude := Exclude{
		Patterns: []string{"usr/share/doc/", "usr/lib/tool/*/bitcode/"},
		Except:   []string{"usr/share/doc/*/copyright"},
	}
	if err := tree.AddPackage(t.Context(), pkg, exclude); err != nil {
		t.Fatal(err)
	}
	got := headers(t, layer(t, tree))
	for _, name := range []string{"usr/bin/tool", "usr/share/doc/tool/copyright", "run/tool/pid", "var/lib/dpkg/status.d/tool"} {
		if got[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	for _, name := range []string{"bin/tool", "usr/share/doc/tool/changelog", "usr/lib/tool/9/bitcode/", "usr/lib/tool/9/bitcode/a/b.bc"} {
		if got[name] != nil {
			t.Errorf("%s should not be there", name)
		}
	}
	if link := got["bin"]; link == nil || link.Linkname != "usr/bin" {
		t.Errorf("bin is %+v, want a link to usr/bin", link)
	}
	if mode := got["usr/bin/tool"].Mode; mode != 0o755 {
		t.Errorf("mode of the set-user-ID program is %o, want 755", mode)
	}
}

func TestTwoPackagesWithDifferentContentOfAFileAreRefused(t *testing.T) {
	tree := New()
	if err := tree.AddPackage(t.Context(), deb(t, "one", map[string]string{"etc/a": "1", "etc/same": "s"}), Exclude{}); err != nil {
		t.Fatal(err)
	}
	err := tree.AddPackage(t.Context(), deb(t, "two", map[string]string{"etc/same": "s", "etc/a": "2"}), Exclude{})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"one", "two", "/etc/a"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not name %s", err, part)
		}
	}
}

func TestALayerDependsOnItsContentOnly(t *testing.T) {
	one, two := New(), New()
	a := deb(t, "a", map[string]string{"usr/a/1": "x", "usr/a/2": "y"})
	b := deb(t, "b", map[string]string{"usr/b/1": "z"})
	for _, step := range []struct {
		tree *Tree
		pkg  debian.Package
	}{{one, a}, {one, b}, {two, b}, {two, a}} {
		if err := step.tree.AddPackage(t.Context(), step.pkg, Exclude{}); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(layer(t, one), layer(t, two)) {
		t.Error("the order of the packages changes the layer")
	}
	for name, header := range headers(t, layer(t, one)) {
		if !header.ModTime.Equal(Epoch) || header.Uname != "" {
			t.Errorf("%s carries the time %s or the user name %q of the build", name, header.ModTime, header.Uname)
		}
	}
}

func TestALayerIsLaidOutAsItSays(t *testing.T) {
	tree := New()
	tree.File("etc/greeting", 0o640, []byte("hello"))
	tree.Link("etc/alias", "greeting")
	tree.Directory("var/open", 0o1777, 0, 0)
	dir := filepath.Join(t.TempDir(), "root")
	for range 2 { // the second replaces the first
		if err := Extract(bytes.NewReader(layer(t, tree)), dir); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(filepath.Join(dir, "etc/alias"))
	if err != nil || string(content) != "hello" {
		t.Errorf("read %q, %v through the link", content, err)
	}
	info, err := os.Stat(filepath.Join(dir, "var/open"))
	if err != nil {
		t.Fatal(err)
	}
	if want := os.ModeDir | os.ModeSticky | 0o777; info.Mode() != want {
		t.Errorf("mode %s, want %s", info.Mode(), want)
	}
}

func TestALayerCannotWriteOutsideItsFolder(t *testing.T) {
	var evil bytes.Buffer
	out := tar.NewWriter(&evil)
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "../outside"}); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "root")
	if err := Extract(&evil, dir); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(filepath.Join(dir, "../outside")); err == nil {
		t.Error("the file was written")
	}
}
