package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const pidFile = "postmaster.pid"

// Accepting tells what the server says of itself in postmaster.pid: whether it accepts connections, as primary or as
// standby. It needs no connection, so it is true also where all are taken.
func Accepting(dataDirectory string, pid int) bool {
	content, err := os.ReadFile(filepath.Join(dataDirectory, pidFile))
	if err != nil {
		return false // not written yet, or gone
	}
	lines := strings.Split(string(content), "\n")
	const statusLine = 7 // the eighth: “starting”, “stopping”, “ready   ” or “standby ”
	if len(lines) <= statusLine || strings.TrimSpace(lines[0]) != strconv.Itoa(pid) {
		return false
	}
	status := strings.TrimSpace(lines[statusLine])
	return status == "ready" || status == "standby"
}

// RemoveStaleLocks removes what a server that is gone left locked: postmaster.pid, and the lock of its socket, which the
// volume of a pod's directories for the run keeps over a restart of the container. In the new container their number may be
// that of another process or thread, and postgres, which only asks whether it exists, would refuse to start for as long.
func RemoveStaleLocks(dataDirectory, socketDirectory string, port int) error {
	for _, path := range []string{
		filepath.Join(dataDirectory, pidFile),
		filepath.Join(socketDirectory, ".s.PGSQL."+strconv.Itoa(port)+".lock"),
	} {
		if err := removeStaleLock(path); err != nil {
			return err
		}
	}
	return nil
}

func removeStaleLock(path string) error {
	content, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the lock file of a former server: %w", err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	if pid, err := strconv.Atoi(strings.TrimSpace(first)); err == nil {
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && strings.HasPrefix(string(comm), "postgres") {
			return fmt.Errorf("process %d, a postgres, still runs and holds %s", pid, path)
		}
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("removing the lock file of a former server: %w", err)
	}
	return nil
}
