package volumes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrInUse tells that another instance manager is at work on these volumes.
var ErrInUse = errors.New("another instance manager still uses this volume")

// Lock keeps a second instance manager from these volumes for as long as the process lives, over an exec too. PostgreSQL's
// own lock file does not: two pods have PID and IPC namespaces of their own, and each sees the other's process as dead. A pod that
// was deleted by force may go on for minutes while its successor is already there.
type Lock struct{ files []*os.File }

// Lock takes the lock of every volume, or none. ErrInUse where somebody has one.
func (l Layout) Lock() (*Lock, error) {
	lock := &Lock{}
	for _, mount := range l.mounts() {
		file, err := os.OpenFile(filepath.Join(mount, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("locking the volume: %w", err), lock.release())
		}
		lock.files = append(lock.files, file)
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			if errors.Is(err, syscall.EWOULDBLOCK) {
				err = fmt.Errorf("%w (%s); waiting until it has ended. A pod that was deleted by force may still be stopping", ErrInUse, mount)
			}
			return nil, errors.Join(err, lock.release())
		}
	}
	return lock, nil
}

func (l *Lock) release() error {
	var failures error
	for _, file := range l.files {
		failures = errors.Join(failures, file.Close())
	}
	return failures
}

// HandOver lets the lock outlive an exec; its descriptors are for TakeOverLock.
func (l *Lock) HandOver() []int {
	var descriptors []int
	for _, file := range l.files {
		_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, file.Fd(), syscall.F_SETFD, 0) // of an open descriptor: cannot fail
		descriptors = append(descriptors, int(file.Fd()))
	}
	return descriptors
}

// TakeOverLock goes on with the lock that the program image before this one had.
func TakeOverLock(descriptors []int) *Lock {
	lock := &Lock{}
	for _, descriptor := range descriptors {
		// No child is to keep it: the lock is this process's.
		syscall.CloseOnExec(descriptor)
		lock.files = append(lock.files, os.NewFile(uintptr(descriptor), "lock"))
	}
	return lock
}
