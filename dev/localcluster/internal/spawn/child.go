package spawn

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Child is the other half of Start: it enters the cgroup and the namespaces, then becomes the
// program. It returns only when that failed.
func Child(description string) error {
	// Namespaces belong to a thread. Exec takes those of the calling thread for the program.
	runtime.LockOSThread()
	var p Process
	if err := json.Unmarshal([]byte(description), &p); err != nil {
		return fmt.Errorf("reading what to start: %w", err)
	}
	err := become(p)
	if p.Report {
		fmt.Fprint(os.NewFile(3, "report"), err)
	}
	return err
}

func become(p Process) error {
	for _, leaf := range p.Leaves {
		file := filepath.Join(leaf, "cgroup.procs")
		if err := os.WriteFile(file, []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
			return fmt.Errorf("entering the cgroup: %w", err)
		}
	}
	if p.Node != "" {
		if err := enterNode(p); err != nil {
			return err
		}
	}
	// A daemon must hold nothing of whoever ran the command: a lock that the shell had taken, for
	// instance, would be held as long as the cluster runs. Our own pipe ends here, too.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("letting go of inherited files: %w", err)
	}
	program, err := exec.LookPath(p.Command[0])
	if err != nil {
		return fmt.Errorf("%w: install it, or build it with `make -C dev/localcluster build`", err)
	}
	return fmt.Errorf("executing %s: %w", program, unix.Exec(program, p.Command, os.Environ()))
}

func enterNode(p Process) error {
	if err := enter(NetNSPath(p.Node), unix.CLONE_NEWNET); err != nil {
		return err
	}
	// A thread that shares its root and working directory with others may not change its mounts.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unsharing the working directory: %w", err)
	}
	// A node's daemons share one mount namespace; containers have their own.
	for _, daemon := range []string{"containerd", "kubelet", "kube-proxy", "localcluster-csi"} {
		if pid, err := PID(p.Node, daemon); err == nil {
			return enter(fmt.Sprintf("/proc/%d/ns/mnt", pid), unix.CLONE_NEWNS)
		}
	}
	if len(p.Mounts) == 0 {
		return fmt.Errorf("%s does not run: `localcluster node start %s`", p.Node, p.Node)
	}
	return makeMounts(p.Mounts)
}

func enter(path string, kind int) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening namespace %s: %w", path, err)
	}
	defer unix.Close(fd)
	if err := unix.Setns(fd, kind); err != nil {
		return fmt.Errorf("entering namespace %s: %w", path, err)
	}
	return nil
}
