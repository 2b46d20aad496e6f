package postgres

import (
	"debug/elf"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/images/debian"
)

// walk visits the files of the root file system; name starts with "/".
func walk(t *testing.T, visit func(name, path string, info fs.FileInfo)) {
	t.Helper()
	root := theImage(t).options.Rootfs
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		visit(strings.TrimPrefix(path, root), path, info)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryLibraryThatAProgramNeedsIsThere(t *testing.T) {
	there := map[string]bool{}
	needed := map[string]string{} // library to one that needs it
	walk(t, func(name, path string, info fs.FileInfo) {
		if strings.Contains(filepath.Base(name), ".so") {
			there[filepath.Base(name)] = true
		}
		if !info.Mode().IsRegular() {
			return
		}
		file, err := elf.Open(path)
		if err != nil {
			return // not a program
		}
		defer func() { _ = file.Close() }()
		libraries, err := file.ImportedLibraries()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, library := range libraries {
			needed[library] = name
		}
	})
	if len(needed) < 20 {
		t.Fatalf("only %d libraries are needed: the programs were not found", len(needed))
	}
	for library, by := range needed {
		if !there[library] {
			t.Errorf("%s needs %s, which is not in the image: take its package off the absent ones", by, library)
		}
	}
}

func TestNothingInTheImageGainsRights(t *testing.T) {
	walk(t, func(name, _ string, info fs.FileInfo) {
		if info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
			t.Errorf("%s has mode %s", name, info.Mode())
		}
		if info.Mode().IsRegular() && info.Mode().Perm()&0o002 != 0 {
			t.Errorf("%s can be written by everyone", name)
		}
		if info.Mode().IsRegular() && info.Mode().Perm()&0o004 == 0 {
			t.Errorf("%s cannot be read by every user: mode %s", name, info.Mode())
		}
	})
}

func TestTheImageIsLean(t *testing.T) {
	walk(t, func(name, _ string, _ fs.FileInfo) {
		for _, unwanted := range []string{"/bitcode/", "libLLVM", "/perl", "/share/man/", "/share/locale/", "/apt/"} {
			if strings.Contains(name, unwanted) && !strings.Contains(name, "/share/doc/") {
				t.Errorf("%s is not needed", name)
			}
		}
	})
	const limit = 100_000_000
	if size := theImage(t).Size; size > limit {
		t.Errorf("the image has %d bytes compressed, more than %d", size, limit)
	}
}

func TestScannersFindThePackagesAndTheirLicences(t *testing.T) {
	image := theImage(t)
	for name := range image.Versions {
		record, err := os.ReadFile(filepath.Join(image.options.Rootfs, "var/lib/dpkg/status.d", name))
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.Contains(string(record), "\nVersion: "+image.Versions[name]+"\n") {
			t.Errorf("the record of %s lacks version %s", name, image.Versions[name])
		}
	}
	for _, name := range reported {
		if _, err := os.Stat(filepath.Join(image.options.Rootfs, "usr/share/doc", name, "copyright")); err != nil {
			t.Error(err)
		}
	}
}

func TestTheProgramsAreOfTheVersionsThatLabelsSay(t *testing.T) {
	sameVersions(t, theImage(t).Versions, sh(t, pod(t), askVersions))
}

// askVersions prints what the main programs of an image say of themselves, each line after the
// name of the package.
const askVersions = `
echo postgresql-17 $(/usr/lib/postgresql/17/bin/postgres --version)
echo postgresql-15 $(/usr/lib/postgresql/15/bin/postgres --version)
echo pgbackrest $(/usr/bin/pgbackrest version)
echo pgbouncer $(/usr/sbin/pgbouncer --version)`

// sameVersions compares the output of askVersions with the versions of packages.
func sameVersions(t *testing.T, packages map[string]string, printed string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(printed), "\n")
	if len(lines) != len(reported) {
		t.Errorf("%d programs answered, want %d: %q", len(lines), len(reported), lines)
	}
	for _, line := range lines {
		name, says, _ := strings.Cut(line, " ")
		want := (debian.Package{Version: packages[name]}).Upstream()
		if want == "" || !strings.Contains(says, want) {
			t.Errorf("%s says %q, want version %q", name, says, want)
		}
	}
}
