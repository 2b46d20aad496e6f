// Package cgroup keeps every process of the local cluster in cgroups of its own. They are how the
// cluster knows which processes are its own: a child cannot leave its parent's cgroup by
// accident, a process id that was reused is not in it, and nothing has to be written down that
// could go stale when a command is killed half-way. They are also how a whole node is frozen or
// killed at once.
//
// The tree is localcluster/UNIT/…, UNIT being "control-plane" or a node. Daemons of a unit live in
// UNIT/daemons/PROCESS, pods of a node where its kubelet puts them, beside the daemons.
//
// Both versions of cgroups are served. In version 1 the freezer's hierarchy is the one that counts.
// Of the others a kubelet expects to find the directories, and that of the CPU shares it out as among
// machines: no unit's daemons take it from another unit's pods, nor whatever else runs here from all.
package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
)

const mountPoint = "/sys/fs/cgroup"

// weight of the whole cluster beside one other process of the machine: a control plane and three nodes
// against one client.
const weight = 4

// daemons is the directory of a unit's daemons.
const daemons = "daemons"

// V2 tells whether the machine has only the unified hierarchy.
func V2() bool {
	var fs unix.Statfs_t
	return unix.Statfs(mountPoint, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}

// primary is the directory of a unit's tree in the hierarchy that counts processes.
func primary(parts ...string) string {
	root := mountPoint
	if !V2() {
		root = filepath.Join(mountPoint, "freezer")
	}
	return filepath.Join(append([]string{root, layout.Name}, parts...)...)
}

// Path is a unit's cgroup as a kubelet names it.
func Path(unit string) string { return "/" + layout.Name + "/" + unit }

// CreateUnit makes a unit's directories in every hierarchy.
func CreateUnit(unit string) error {
	if V2() {
		return createV2(primary(unit))
	}
	hierarchies, err := os.ReadDir(mountPoint)
	if err != nil {
		return fmt.Errorf("listing the cgroup hierarchies: %w", err)
	}
	for _, h := range hierarchies {
		root := filepath.Join(mountPoint, h.Name())
		if h.Type()&os.ModeSymlink != 0 || h.Name() == "unified" || !h.IsDir() {
			continue // cpu,cpuacct and the like appear twice; "unified" has no controllers here
		}
		for _, dir := range []string{filepath.Join(root, layout.Name), filepath.Join(root, layout.Name, unit)} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("creating a cgroup: %w", err)
			}
			if h.Name() == "cpuset" {
				if err := inheritCPUs(dir); err != nil {
					return err
				}
			}
		}
	}
	return setWeight(filepath.Join(mountPoint, "cpu", layout.Name, "cpu.shares"), weight*1024)
}

// setWeight of the cluster, where this machine shares CPU out among cgroups at all.
func setWeight(file string, value int) error {
	err := os.WriteFile(file, []byte(strconv.Itoa(value)), 0o644)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("sharing out the CPU: %w", err)
	}
	return nil
}

// inheritCPUs fills what a new cpuset lacks: without CPUs and memory no process can enter it.
func inheritCPUs(dir string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file), value, 0o644)
		}
		if err != nil {
			return fmt.Errorf("filling %s of cgroup %s: %w", file, dir, err)
		}
	}
	return nil
}

// createV2 makes a unit and passes on the controllers the kubelet needs. The root may hold
// processes of others; ours hold none but in leaves, as version 2 demands.
func createV2(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("creating a cgroup: %w", err)
	}
	for _, parent := range []string{mountPoint, filepath.Dir(dir), dir} {
		for _, controller := range []string{"cpuset", "cpu", "io", "memory", "pids", "hugetlb"} {
			// One by one and without failing: which exist differs, and the kubelet names
			// the one it misses better than this could.
			_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
		}
	}
	return setWeight(filepath.Join(filepath.Dir(dir), "cpu.weight"), weight*100)
}

// Leaves makes the cgroups of one daemon and returns their directories; writing a process id to the
// cgroup.procs in each moves that process there.
func Leaves(unit, process string) ([]string, error) {
	leaves := []string{primary(unit, daemons, process)}
	if cpu := filepath.Join(mountPoint, "cpu"); !V2() && exists(cpu) {
		leaves = append(leaves, filepath.Join(cpu, layout.Name, unit, daemons))
	}
	for _, leaf := range leaves {
		if err := os.MkdirAll(leaf, 0o755); err != nil {
			return nil, fmt.Errorf("creating the cgroup of %s of %s: %w", process, unit, err)
		}
	}
	return leaves, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Processes lists the process ids of a unit, of one daemon with what it started
// (Processes("node-1", "containerd")), or with no argument of the whole cluster.
func Processes(unitAndProcess ...string) []int {
	parts := unitAndProcess
	if len(parts) == 2 {
		parts = []string{parts[0], daemons, parts[1]}
	}
	var pids []int
	_ = filepath.WalkDir(primary(parts...), func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return nil // a cgroup that vanishes meanwhile has no processes
		}
		data, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		for _, line := range strings.Fields(string(data)) {
			if pid, err := strconv.Atoi(line); err == nil {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	slices.Sort(pids)
	return pids
}

// Units lists the units that have a cgroup, alive or not.
func Units() []string {
	entries, _ := os.ReadDir(primary())
	var units []string
	for _, e := range entries {
		if e.IsDir() {
			units = append(units, e.Name())
		}
	}
	return units
}
