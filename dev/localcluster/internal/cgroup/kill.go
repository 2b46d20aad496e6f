package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
)

// Kill ends every process of a unit (or daemon) at once, without letting any of them run once
// more: they are frozen, signalled and only then thawed, so that none sees the death of another.
// It returns when none is left.
func Kill(ctx context.Context, unitAndProcess ...string) error {
	what := strings.Join(append([]string{layout.Name}, unitAndProcess...), "/")
	dir := dirOf(unitAndProcess)
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		file, frozen, thawed := freezer(dir)
		_ = os.WriteFile(file, []byte(frozen), 0o644)
		pids := Processes(unitAndProcess...)
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		thawTree(dir, thawed)
		if len(pids) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d processes of %s survive SIGKILL (first: %s): the kernel holds them, "+
				"probably in a stalled file system; `dmesg` and /proc/PID/stack tell more",
				len(pids), what, command(pids[0]))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// thawTree thaws a cgroup and those below: a container paused by itself would ignore SIGKILL.
func thawTree(dir, thawed string) {
	_ = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			file, _, _ := freezer(path)
			_ = os.WriteFile(file, []byte(thawed), 0o644)
		}
		return nil
	})
}

func command(pid int) string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return fmt.Sprintf("%s, pid %d", strings.TrimSpace(string(name)), pid)
}

// Remove deletes the empty cgroups of a unit, or of the whole cluster, from every hierarchy.
func Remove(ctx context.Context, unit ...string) error {
	roots := []string{mountPoint}
	if !V2() {
		roots, _ = filepath.Glob(mountPoint + "/*")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		var failed []error
		for _, root := range roots {
			failed = append(failed, removeTree(filepath.Join(append([]string{root, layout.Name}, unit...)...)))
		}
		err := errors.Join(failed...)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("removing cgroups: %w", err)
		case <-time.After(20 * time.Millisecond): // a process that just died still counts for a moment
		}
	}
}

func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return nil
}
