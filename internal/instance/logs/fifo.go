package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Names of the pipes in the log directory. PostgreSQL makes them from log_filename.
const (
	// FileName is log_filename without its ending.
	FileName = "postgres"

	jsonPipe = FileName + ".json" // the collector's jsonlog
	textPipe = FileName           // what is no log entry: standard error of the server and of its children
)

// pipeBytes is the size of a pipe's buffer: what may be written while the manager replaces itself.
const pipeBytes = 1 << 20

// openPipe opens the named pipe for reading and writing, so that it never comes to an end, and makes it where it is missing.
func openPipe(directory, name string) (*os.File, error) {
	path := filepath.Join(directory, name)
	if err := syscall.Mkfifo(path, 0o600); err != nil && !os.IsExist(err) {
		return nil, fmt.Errorf("making the pipe of PostgreSQL's log: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the pipe of PostgreSQL's log: %w", err)
	}
	const setPipeSize = 1031 // F_SETPIPE_SZ, which package syscall does not name
	_ = control(file, func(fd uintptr) error {
		_, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, setPipeSize, pipeBytes)
		return errno // the limit of the system may be lower; the default serves too
	})
	return file, nil
}

// inherited makes a file of a descriptor that was kept open over exec.
func inherited(fd int, name string) (*os.File, error) {
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("taking over the log's descriptor %d: %w", fd, err)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), name), nil
}

// keepOpen lets the descriptor live on over exec, and tells its number.
func keepOpen(file *os.File) (int, error) {
	number := -1
	err := control(file, func(fd uintptr) error {
		number = int(fd)
		if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_SETFD, 0); errno != 0 {
			return errno
		}
		return nil
	})
	return number, err
}

func control(file *os.File, do func(fd uintptr) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = do(fd) }); err != nil {
		return err
	}
	return failed
}
