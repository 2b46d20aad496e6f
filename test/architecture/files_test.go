package architecture

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// longest is the number of lines of a file that a person still reads as one.
const longest = 400

// sources are the files of the repository, committed or about to be, with their content.
func sources(t *testing.T, endings ...string) map[string][]byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", "ls-files", "-co", "--exclude-standard")
	command.Dir = root
	out, err := command.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	files := map[string][]byte{}
	for name := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		if !slices.ContainsFunc(endings, func(ending string) bool { return strings.HasSuffix(name, ending) }) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		files[name] = content
	}
	return files
}

func generated(content []byte) bool {
	head, _, _ := bytes.Cut(content, []byte("\npackage "))
	return bytes.Contains(head, []byte("Code generated"))
}

func TestFilesAreShortEnoughToRead(t *testing.T) {
	for name, content := range sources(t, ".go", ".sh", "Makefile", ".ts", ".tsx") {
		if lines := bytes.Count(content, []byte("\n")); lines > longest && !generated(content) {
			t.Errorf("%s has %d lines, more than %d: give its second subject a file of its own", name, lines, longest)
		}
	}
}

// TestCRDsCanBeAppliedFromTheClient holds that plain `kubectl apply`, which keeps the object in an annotation, works.
func TestCRDsCanBeAppliedFromTheClient(t *testing.T) {
	const limit = 256 * 1024
	crds, err := filepath.Glob(filepath.Join(root, "config", "crd", "*_*.yaml"))
	if err != nil || len(crds) == 0 {
		t.Fatalf("no CRDs: %v", err)
	}
	for _, crd := range crds {
		info, err := os.Stat(crd)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() >= limit {
			t.Errorf("%s has %d bytes, and %d is too many for kubectl apply", filepath.Base(crd), info.Size(), limit)
		}
	}
}

// TestNothingBinaryIsCommitted holds that all of the repository can be read and reviewed.
func TestNothingBinaryIsCommitted(t *testing.T) {
	for name, content := range sources(t, "") {
		if bytes.IndexByte(content, 0) >= 0 {
			t.Errorf("%s is binary", name)
		}
	}
}

// TestScriptsCanBeRun holds that what the Makefile calls is executable.
func TestScriptsCanBeRun(t *testing.T) {
	for name := range sources(t, ".sh", ".ci/run") {
		if !strings.HasPrefix(name, "hack/") && !strings.HasPrefix(name, ".ci/") {
			continue
		}
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode()&fs.FileMode(0o111) == 0 {
			t.Errorf("%s is not executable: chmod +x", name)
		}
	}
}
