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
		defer file.Close()
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
	walk(t, func(name, _ string, info fs.FileInfo) {
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
	image := theImage(t)
	versions := programVersions(func(command ...string) string {
		return sh(t, pod(t), strings.Join(command, " "))
	})
	for name, printed := range versions {
		if want := (debian.Package{Version: image.Versions[name]}).Upstream(); !strings.Contains(printed, want) {
			t.Errorf("%s prints %q, want version %s", name, printed, want)
		}
	}
}

// programVersions asks the main programs of an image for their versions, by package.
func programVersions(run func(command ...string) string) map[string]string {
	firstLine := func(text string) string {
		line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
		return line
	}
	return map[string]string{
		"postgresql-17": firstLine(run("/usr/lib/postgresql/17/bin/postgres", "--version")),
		"postgresql-15": firstLine(run("/usr/lib/postgresql/15/bin/postgres", "--version")),
		"pgbackrest":    firstLine(run("/usr/bin/pgbackrest", "version")),
		"pgbouncer":     firstLine(run("/usr/sbin/pgbouncer", "--version")),
	}
}
