package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// fillFile takes up the free space of a filled volume. It is a file, so that the fault outlives the
// move of the volume to another node.
const fillFile = ".localcluster-fill"

// The kernel's requests to freeze and to thaw a file system (linux/fs.h).
const (
	fiFreeze = 0xC0045877
	fiThaw   = 0xC0045878
)

// Stall makes every write and fsync to a mounted file system hang until Release.
func Stall(mountPoint string) error {
	err := onDirectory(mountPoint, fiFreeze)
	if errors.Is(err, unix.EBUSY) {
		return nil // stalled already
	}
	return err
}

// Release lets a stalled file system go on. It reports whether it was stalled.
func Release(mountPoint string) (bool, error) {
	err := onDirectory(mountPoint, fiThaw)
	if errors.Is(err, unix.EINVAL) {
		return false, nil
	}
	return err == nil, err
}

func onDirectory(path string, request uint) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening the volume at %s: %w", path, err)
	}
	defer unix.Close(fd)
	if err := unix.IoctlSetInt(fd, request, 0); err != nil {
		return fmt.Errorf("stalling or releasing the volume at %s: %w", path, err)
	}
	return nil
}

// Fill takes all the free space of a mounted file system.
func Fill(mountPoint string) error {
	file, err := os.OpenFile(filepath.Join(mountPoint, fillFile), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("filling the volume: %w", err)
	}
	defer file.Close()
	size, err := file.Seek(0, 2)
	if err != nil {
		return err
	}
	// Ever smaller pieces, as one request for all that is free fails for want of the space that
	// its own bookkeeping takes.
	for piece := int64(1 << 40); piece >= 4096; {
		switch err := unix.Fallocate(int(file.Fd()), 0, size, piece); {
		case err == nil:
			size += piece
		case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EFBIG):
			piece /= 2
		case !errors.Is(err, unix.EINTR):
			return fmt.Errorf("filling the volume: %w", err)
		}
	}
	return nil
}

// Drain gives the space back that Fill took.
func Drain(mountPoint string) error {
	if err := os.Remove(filepath.Join(mountPoint, fillFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("draining the volume: %w", err)
	}
	return nil
}

// Filled tells whether Fill is in force.
func Filled(mountPoint string) bool {
	_, err := os.Lstat(filepath.Join(mountPoint, fillFile))
	return err == nil
}
