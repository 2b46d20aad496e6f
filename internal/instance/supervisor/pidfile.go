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

// RemoveStalePIDFile removes the postmaster.pid of a server that is gone. In a new container its number may
// belong to another process of the same user, and postgres would refuse to start.
func RemoveStalePIDFile(dataDirectory string) error {
	path := filepath.Join(dataDirectory, pidFile)
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
			return fmt.Errorf("process %d, a postgres, still runs on %s", pid, dataDirectory)
		}
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("removing the lock file of a former server: %w", err)
	}
	return nil
}
