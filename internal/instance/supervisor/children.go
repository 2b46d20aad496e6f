// Package supervisor is what PID 1 does: it starts, stops and adopts the
// postmaster, and reaps every orphan that the kernel hands to it.
//
// children.go keeps the exits of our own children apart from those of orphans,
// postmaster.go is the one child that matters, pidfile.go reads what it says of itself.
package supervisor

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Children are the processes that this program started itself and waits for. All others that end
// as children of PID 1 are orphans, whose exit only Reap collects.
type Children struct {
	mu  sync.Mutex
	own map[int]bool
}

// NewChildren knows of none.
func NewChildren() *Children { return &Children{own: map[int]bool{}} }

// Run starts a command and waits for its end.
func (c *Children) Run(cmd *exec.Cmd) error {
	if err := c.start(cmd); err != nil {
		return err
	}
	defer c.forget(cmd.Process.Pid)
	return cmd.Wait()
}

// start holds the lock until the PID is noted, so that Reap cannot take the exit of a command that ends at once.
func (c *Children) start(cmd *exec.Cmd) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	c.own[cmd.Process.Pid] = true
	return nil
}

func (c *Children) note(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.own[pid] = true
}

func (c *Children) forget(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.own, pid)
}

// Reap collects every orphan that has ended, and leaves our own children to those who wait for them. It is called
// on SIGCHLD, and now and then, since one signal may stand for several.
func (c *Children) Reap() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, pid := range zombies(os.Getpid()) {
		if c.own[pid] {
			continue
		}
		var status syscall.WaitStatus
		_, _ = syscall.Wait4(pid, &status, syscall.WNOHANG, nil) // ECHILD: somebody collected it, which is all that is wanted
	}
}

// zombies are the children of parent that have ended and were not collected.
func zombies(parent int) []int {
	return childrenOf(parent, func(state string) bool { return state == "Z" })
}

// ChildrenOf a process that have not ended, with their titles: what they show of themselves in the list of processes.
func ChildrenOf(parent int) map[int]string {
	return titlesOf(childrenOf(parent, notGone))
}

func notGone(state string) bool { return state != "Z" }

func titlesOf(pids []int) map[int]string {
	titles := map[int]string{}
	for _, pid := range pids {
		content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if err == nil { // else it is gone
			titles[pid] = strings.TrimRight(strings.ReplaceAll(string(content), "\x00", " "), " ")
		}
	}
	return titles
}

func childrenOf(parent int, wanted func(state string) bool) []int {
	processes, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	var pids []int
	for _, directory := range processes {
		pid, err := strconv.Atoi(filepath.Base(directory))
		if fields := statOf(pid); err == nil && len(fields) > 1 && wanted(fields[0]) && fields[1] == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Activity of a process.
type Activity struct {
	// Known: it is there, and the rest is what the kernel tells of it.
	Known bool
	// Ticks of the clock that it has used the CPU for. OnDisk: it waits for a disk now. Stopped: somebody has stopped it.
	Ticks           int64
	OnDisk, Stopped bool
}

// ActivityOf a process.
func ActivityOf(pid int) Activity {
	const user, system = 11, 12
	fields := statOf(pid)
	if len(fields) <= system {
		return Activity{}
	}
	inUser, errUser := strconv.ParseInt(fields[user], 10, 64)
	inSystem, errSystem := strconv.ParseInt(fields[system], 10, 64)
	return Activity{Known: errUser == nil && errSystem == nil, Ticks: inUser + inSystem, OnDisk: fields[0] == "D", Stopped: fields[0] == "T" || fields[0] == "t"}
}

// KillOrphans of a server that has ended: one of its processes that hangs does not see that, and holds the memory that they shared, without which no other can
// be started. They have become children of this process. The logger shares none, and ends when it has written all.
func KillOrphans() (killed []string) { return killServers(ChildrenOf(os.Getpid())) }

// killServers kills those of these processes that are of a server, by their titles, but its logger.
func killServers(titles map[int]string) (killed []string) {
	for pid, title := range titles {
		if strings.HasPrefix(title, "postgres: ") && !strings.HasSuffix(title, ": logger") && syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed = append(killed, title)
		}
	}
	return killed
}

// statOf a process: what its stat tells from its state on, see proc(5); nil where it is gone.
func statOf(pid int) []string {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return nil
	}
	// pid (comm) state ppid …; comm may hold anything, also blanks and parentheses.
	return strings.Fields(string(content[strings.LastIndexByte(string(content), ')')+1:]))
}
