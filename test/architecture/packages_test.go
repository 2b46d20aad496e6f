// Package architecture holds what the design says of the repository as a whole:
// which package may import which, how long a file may be, that no variable changes
// behind anybody's back, and that documentation keeps up with the code.
package architecture

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/timonier-io/timonier/"
)

// listed is what `go list` tells of one package.
type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// packages of the main module, without their tests.
func packages(t *testing.T) []listed {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", "./api/...", "./cmd/...", "./internal/...")
	command.Dir = root
	out, err := command.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.Fatalf("go list: %s", failed.Stderr)
		}
		t.Fatal(err)
	}
	var all []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var one listed
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
}

// below tells whether a package is this one or lies in its folder.
func below(importPath, folder string) bool {
	return importPath == folder || strings.HasPrefix(importPath, folder+"/")
}

// kubernetesClients are what a pure package must not use. Types and apply configurations are no clients, although
// apply configurations have some in their own imports: so this is asked of what our packages import themselves.
func kubernetesClients() []string {
	return []string{
		"k8s.io/client-go/kubernetes", "k8s.io/client-go/rest", "k8s.io/client-go/dynamic", "k8s.io/client-go/discovery",
		"k8s.io/client-go/tools", "k8s.io/client-go/informers", "k8s.io/client-go/listers", "sigs.k8s.io/controller-runtime",
	}
}

// TestImportsRunOneWay holds: api ← naming, postgres ← election, desired ← controller ← operator ← cmd, and what
// must never be linked into a program.
func TestImportsRunOneWay(t *testing.T) {
	ours := func(folders ...string) []string {
		var out []string
		for _, folder := range folders {
			out = append(out, module+folder)
		}
		return out
	}
	all := packages(t)
	for _, rule := range []struct {
		folder string
		// never linked in; unused is what no package of ours that is linked in imports.
		never, unused []string
		why           string
	}{
		{"api", ours("internal", "cmd"), kubernetesClients(), "the API is what others build on"},
		{"internal/version", ours("api", "internal/naming"), nil, "it names a build, no more"},
		{"internal/naming", ours("internal/postgres", "internal/election", "internal/desired", "internal/controller"), kubernetesClients(), "names depend on nothing"},
		{"internal/postgres", ours("internal/election", "internal/desired", "internal/controller", "internal/instance"), kubernetesClients(), "PostgreSQL is known without Kubernetes"},
		{"internal/pki", append(ours("api", "internal/controller", "internal/instance"), "k8s.io"), nil, "certificates are decided upon without Kubernetes"},
		{"internal/election", append(ours("internal/desired", "internal/controller", "internal/instance"), "k8s.io"), nil, "the election is a pure state machine"},
		{"internal/desired", ours("internal/controller", "internal/operator", "internal/instance"), kubernetesClients(), "desired objects are pure functions"},
		{"internal/controller", ours("internal/operator", "cmd"), nil, "the operator wires controllers, not the other way"},
		{"internal/operator", ours("cmd"), nil, "programs come last"},
		{"internal/instance", append(ours("internal/controller", "internal/operator", "internal/desired"), "sigs.k8s.io/controller-runtime", "k8s.io/client-go/kubernetes"), nil, "PID 1 of every pod stays small, and decides nothing of the operator's"},
		{"internal/console", append(ours("internal/controller", "internal/operator"), "sigs.k8s.io/controller-runtime"), nil, "the console has no rights of its own"},
		{"cmd/timonier-instance", append(ours("internal/controller", "internal/operator"), "sigs.k8s.io/controller-runtime", "k8s.io/client-go/kubernetes"), nil, "as internal/instance"},
	} {
		for _, one := range all {
			if !below(one.ImportPath, module+rule.folder) {
				continue
			}
			for _, found := range append(within(one.Deps, rule.never), within(usedBy(one, all), rule.unused)...) {
				t.Errorf("%s depends on %s, which %s must not: %s", one.ImportPath, found, rule.folder, rule.why)
			}
		}
	}
}

// within are those of the packages that lie in one of the folders.
func within(importPaths, folders []string) []string {
	return slices.DeleteFunc(slices.Clone(importPaths), func(importPath string) bool {
		return !slices.ContainsFunc(folders, func(folder string) bool { return below(importPath, folder) })
	})
}

// usedBy a package: what it and all packages of ours that are linked with it import themselves.
func usedBy(one listed, all []listed) []string {
	used := slices.Clone(one.Imports)
	for _, other := range all {
		if slices.Contains(one.Deps, other.ImportPath) {
			used = append(used, other.Imports...)
		}
	}
	slices.Sort(used)
	return slices.Compact(used)
}

// TestPackagesAreNamedForWhatTheyHold holds that nobody has to guess where a line of code belongs.
func TestPackagesAreNamedForWhatTheyHold(t *testing.T) {
	vague := []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "lib", "base", "core", "types"}
	for _, one := range packages(t) {
		if name := path.Base(one.ImportPath); slices.Contains(vague, name) {
			t.Errorf("%s: %q says nothing of what it holds", one.ImportPath, name)
		}
	}
}
