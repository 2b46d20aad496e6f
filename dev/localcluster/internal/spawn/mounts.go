package spawn

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// makeMounts gives the calling thread a mount namespace of its own and arranges it. All of a
// node's mounts live in it and nowhere else: when the node's last process dies the kernel takes
// them down, volumes and their loop devices included, exactly as on a machine that lost its power.
func makeMounts(mounts []Mount) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("making a mount namespace: %w", err)
	}
	// First nothing may leak out to the host; then mounts are shared again among the node's
	// own daemons and pods, which the kubelet needs for its mount propagation.
	for _, flags := range []uintptr{unix.MS_REC | unix.MS_PRIVATE, unix.MS_REC | unix.MS_SHARED} {
		if err := unix.Mount("", "/", "", flags, ""); err != nil {
			return fmt.Errorf("changing the propagation of mounts: %w", err)
		}
	}
	if err := forgetRun(); err != nil {
		return err
	}
	for _, m := range mounts {
		if err := makeMount(m); err != nil {
			return fmt.Errorf("showing %q at %s: %w", m.From, m.At, err)
		}
	}
	return nil
}

func makeMount(m Mount) error {
	if m.From == "" {
		return unix.Mount("tmpfs", m.At, "tmpfs", 0, "mode=755")
	}
	return unix.Mount(m.From, m.At, "", unix.MS_BIND, "")
}

// forgetRun drops the copies of what the host has mounted below /run: a copy of another node's
// network namespace would keep that alive after the other node is gone.
func forgetRun() error {
	info, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return err
	}
	var points []string
	for line := range strings.Lines(string(info)) {
		if fields := strings.Fields(line); strings.HasPrefix(fields[4], "/run/") {
			points = append(points, fields[4])
		}
	}
	slices.Reverse(points) // what was mounted last goes first
	for _, p := range points {
		if err := unix.Unmount(p, unix.MNT_DETACH); err != nil && err != unix.EINVAL {
			return fmt.Errorf("unmounting the copy of %s: %w", p, err)
		}
	}
	return nil
}
