// Command kube is every server of a Kubernetes cluster in one binary, so that they share one
// compilation and, in memory, one copy of their code. It behaves as the program it is called
// as: through a symlink of that name (kube-apiserver, etcd, kubectl, …), or by its first
// argument (`kube kubelet --help`).
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	name := filepath.Base(os.Args[0])
	if _, ok := programs[name]; !ok && len(os.Args) > 1 {
		// Called by its own name: the first argument says which program is meant.
		name = os.Args[1]
		os.Args = os.Args[1:]
	}
	run, ok := programs[name]
	if !ok {
		names := slices.Sorted(maps.Keys(programs))
		fmt.Fprintf(os.Stderr, "kube: there is no program %q in this binary; it holds %s\n", name, strings.Join(names, ", "))
		os.Exit(2)
	}
	os.Exit(run())
}
