// Package spawn starts the cluster's processes: detached from the shell that ran the command, in a
// cgroup and, for those of a node, in the node's network and mount namespaces.
//
// A cgroup and a namespace have to be entered by the process itself, so the command executes itself
// once more with a hidden first argument (Argument), does what is needed (Child) and then becomes
// the wanted program by exec. Nothing is left in between.
package spawn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/timonier-io/timonier/dev/localcluster/internal/cgroup"
	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
)

// Argument is the hidden first argument that makes the command act as Child.
const Argument = "spawn-child"

// Process is one daemon.
type Process struct {
	// Unit and Name place it: "node-1", "kubelet".
	Unit, Name string
	// Command is the program and its arguments.
	Command []string
	// Log is the file that gets its output; empty means that of the caller.
	Log string
	// Node is the name of the node whose namespaces it enters; empty means the host's.
	Node string
	// Mounts is what the node's mount namespace shows, used by the first process of a node.
	Mounts []Mount
	// Leaves are the cgroups' directories, and Report whether the child's file 3 takes its error message.
	// Both are filled in by Start and Run.
	Leaves []string
	Report bool
}

// Mount is one directory or file shown elsewhere in a node's mount namespace.
type Mount struct {
	// From is a path on the host; empty means a new empty tmpfs.
	From string
	// At is where the node sees it.
	At string
}

// Start runs a daemon and returns once its program has replaced the child.
func Start(p Process) error {
	leaves, err := cgroup.Leaves(p.Unit, p.Name)
	if err != nil {
		return err
	}
	p.Leaves, p.Report = leaves, true
	if err := os.MkdirAll(filepath.Dir(p.Log), 0o755); err != nil {
		return fmt.Errorf("creating the log directory of %s: %w", p.Name, err)
	}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("opening the log of %s: %w", p.Name, err)
	}
	defer log.Close()

	cmd, err := self(p)
	if err != nil {
		return err
	}
	// The child inherits the pipe's other end and exec closes it: an end without a word means that
	// the program runs, anything else is why it does not.
	reader, writer, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making a pipe for %s: %w", p.Name, err)
	}
	defer reader.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{writer}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	writer.Close()
	if err != nil {
		return fmt.Errorf("starting %s of %s: %w", p.Name, p.Unit, err)
	}
	message, err := io.ReadAll(reader)
	if err != nil || len(message) > 0 {
		_ = cmd.Wait()
		return fmt.Errorf("starting %s of %s: %s", p.Name, p.Unit, message)
	}
	return cmd.Process.Release()
}

// Run runs a program on a node and returns what it printed. It is in the node's cgroup like the
// daemons, so that it ends with the node even when the command that runs it was killed.
func Run(ctx context.Context, node string, stdin *os.File, command ...string) (string, error) {
	leaves, err := cgroup.Leaves(node, "commands")
	if err != nil {
		return "", err
	}
	cmd, err := self(Process{Node: node, Unit: node, Command: command, Leaves: leaves})
	if err != nil {
		return "", err
	}
	cmd.Stdin = stdin
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-ctx.Done():
			_ = cmd.Process.Kill()
		case <-done:
		}
	}()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("running %s on %s: %w: %s", command[0], node, err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

func self(p Process) (*exec.Cmd, error) {
	description, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/proc/self/exe", Argument, string(description))
	cmd.Dir = "/"
	return cmd, nil
}

// Alive tells whether a daemon runs, frozen or not. Its children do not count: a shim outlives its
// containerd.
func Alive(unit, name string) bool { _, err := PID(unit, name); return err == nil }

// PID is the process id of a daemon.
func PID(unit, name string) (int, error) {
	for _, pid := range cgroup.Processes(unit, name) {
		args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && filepath.Base(strings.SplitN(string(args), "\x00", 2)[0]) == name && !zombie(pid) {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("%s of %s does not run", name, unit)
}

func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
}

// NetNSPath is the file that stands for a node's network namespace.
func NetNSPath(node string) string { return filepath.Join("/run/netns", layout.NetNS(node)) }

// Tail is the end of a log, for error messages.
func Tail(log string, lines int) string {
	data, err := os.ReadFile(log)
	if err != nil {
		return ""
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// ErrDied is returned by Wait when the process ends before what is waited for is there.
var ErrDied = errors.New("it has ended")

// Wait polls until ready says so, failing early when the daemon ends.
func Wait(ctx context.Context, p Process, ready func(context.Context) error) error {
	var last error
	for {
		if last = ready(ctx); last == nil {
			return nil
		}
		if !Alive(p.Unit, p.Name) {
			return fmt.Errorf("%s of %s: %w; the end of %s:\n%s", p.Name, p.Unit, ErrDied, p.Log, Tail(p.Log, 8))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s of %s is not ready in time: %w; its log is %s", p.Name, p.Unit, last, p.Log)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
