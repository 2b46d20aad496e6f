//go:build integration

package instance

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// hostPID of a process, that has another PID in its container, as a child of whoever it is there.
func (p *pod) hostPID(pid int) int {
	p.w.t.Helper()
	seen := []int{p.container.Process.Pid}
	for len(seen) > 0 {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", seen[0])) // it may have ended
		for line := range strings.Lines(string(status)) {
			if numbers, told := strings.CutPrefix(line, "NSpid:"); told && strings.HasSuffix(strings.TrimSpace(numbers), "\t"+strconv.Itoa(pid)) {
				return seen[0]
			}
		}
		seen = append(seen[1:], children(p.w.t, seen[0])...)
	}
	p.w.t.Fatalf("there is no process %d in %s", pid, p.name)
	return 0
}

// children of a process, whichever of its threads has started them.
func children(t *testing.T, pid int) []int {
	t.Helper()
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	var all []int
	for _, task := range tasks {
		content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name())) // it may have ended
		for _, field := range strings.Fields(string(content)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, child)
		}
	}
	return all
}

// niceness of a process; false where it has ended.
func niceness(pid int) (nice int, lives bool) {
	priority, err := syscall.Getpriority(syscall.PRIO_PROCESS, pid)
	return 20 - priority, err == nil // the kernel's own answer, which is never negative
}
