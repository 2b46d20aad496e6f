// Package disk knows the volumes as the kernel sees them: an image file per volume, the loop device
// it is attached to, and where that is mounted. Both the driver inside a node and the fault
// commands on the host ask it.
package disk

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// MinimumBytes is the smallest size of a volume: mkfs.xfs refuses less than 300 MB, and rounds.
const MinimumBytes = 320 << 20

// Image is the file of a volume in the directory of the volumes.
func Image(volumes, name string) string { return filepath.Join(volumes, name+".img") }

// Create makes the image of a volume with an empty file system, unless it is there. It takes little
// space until it is written to.
func Create(image string, bytes int64) error {
	if _, err := os.Stat(image); err == nil {
		return nil
	}
	temporary := image + ".new" // a half-made file system must not be taken for a volume
	if err := os.WriteFile(temporary, nil, 0o600); err != nil {
		return fmt.Errorf("creating the image of a volume: %w", err)
	}
	if err := os.Truncate(temporary, bytes); err != nil {
		return fmt.Errorf("sizing %s to %d bytes: %w", temporary, bytes, err)
	}
	if out, err := exec.Command("mkfs.xfs", "-q", "-f", "-K", temporary).CombinedOutput(); err != nil {
		return fmt.Errorf("making a file system in %s: %w: %s", temporary, err, strings.TrimSpace(string(out)))
	}
	if err := os.Rename(temporary, image); err != nil {
		return fmt.Errorf("creating the image of a volume: %w", err)
	}
	return nil
}

// Delete removes the image of a volume. It refuses while a node has it mounted.
func Delete(image string) error {
	if device := Loop(image); device != "" {
		return fmt.Errorf("a node still has the volume mounted, by %s", device)
	}
	if err := os.Remove(image); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("deleting the image of a volume: %w", err)
	}
	return nil
}

// Loop is the loop device an image is attached to, "/dev/loop3", or "" when no node uses it.
func Loop(image string) string {
	files, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, file := range files {
		backing, err := os.ReadFile(file) // fails when it was detached just now
		if err != nil {
			continue
		}
		// A deleted image still has its device while it is mounted somewhere.
		if strings.TrimSuffix(strings.TrimSpace(string(backing)), " (deleted)") == image {
			return "/dev/" + strings.Split(file, "/")[3]
		}
	}
	return ""
}

// Attached lists the images below a directory that have a loop device.
func Attached(volumes string) []string {
	files, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	var images []string
	for _, file := range files {
		backing, _ := os.ReadFile(file)
		image := strings.TrimSuffix(strings.TrimSpace(string(backing)), " (deleted)")
		if filepath.Dir(image) == filepath.Clean(volumes) {
			images = append(images, image)
		}
	}
	return images
}

// MountPoint is where a device is mounted in the mount namespace of a process, or "".
func MountPoint(pid, device string) string {
	info, err := os.ReadFile(filepath.Join("/proc", pid, "mountinfo"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		// … 253:0 / /mnt rw,relatime shared:1 - xfs /dev/loop3 rw
		before, after, _ := strings.Cut(line, " - ")
		fields, source := strings.Fields(before), strings.Fields(after)
		if len(source) > 1 && source[1] == device {
			return fields[4]
		}
	}
	return ""
}
