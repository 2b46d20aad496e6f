package faults

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
)

// Processes of pods are processes of this machine: the local cluster's nodes share its kernel. A pod's are found by its
// UID in their cgroup, wherever a kubelet puts that.

// process of a pod, as this machine sees it.
type process struct {
	pid, parent int
	// inside is its id within the container; 1 is the instance manager, or the pod's pause.
	inside int
	// name of the program, as the kernel keeps it: 15 bytes at most.
	name string
}

// procfs is where the kernel tells of processes.
const procfs = "/proc"

// processesOf a pod.
func processesOf(pod *corev1.Pod) ([]process, error) {
	entries, err := os.ReadDir(procfs)
	if err != nil {
		return nil, err
	}
	var found []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || !belongs(pid, pod) {
			continue
		}
		status, err := os.ReadFile(filepath.Join(procfs, entry.Name(), "status"))
		if err != nil {
			continue // it ended meanwhile
		}
		found = append(found, parseStatus(pid, string(status)))
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no process of pod %s runs on this machine", pod.Name)
	}
	return found, nil
}

// belongs tells whether a process is a pod's. The UID has underscores where systemd has to do with cgroups.
func belongs(pid int, pod *corev1.Pod) bool {
	cgroup, err := os.ReadFile(filepath.Join(procfs, strconv.Itoa(pid), "cgroup"))
	uid := string(pod.UID)
	return err == nil && uid != "" && (bytes.Contains(cgroup, []byte(uid)) || bytes.Contains(cgroup, []byte(strings.ReplaceAll(uid, "-", "_"))))
}

func parseStatus(pid int, status string) process {
	p := process{pid: pid}
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		last, _ := strconv.Atoi(fields[len(fields)-1])
		switch key {
		case "Name":
			p.name = strings.TrimSpace(value)
		case "PPid":
			p.parent = last
		case "NSpid":
			p.inside = last
		}
	}
	return p
}

// manager is the instance manager, or the operator in its pod: PID 1 of the container, and not the pause of the pod.
func manager(all []process) (process, error) {
	i := slices.IndexFunc(all, func(p process) bool { return p.inside == 1 && strings.HasPrefix(p.name, "timonier") })
	if i < 0 {
		return process{}, fmt.Errorf("no program of ours runs: %+v", all)
	}
	return all[i], nil
}

// postmaster is the instance manager's child that is PostgreSQL.
func postmaster(all []process) (process, error) {
	parent, err := manager(all)
	if err != nil {
		return process{}, err
	}
	i := slices.IndexFunc(all, func(p process) bool { return p.parent == parent.pid && p.name == "postgres" })
	if i < 0 {
		return process{}, fmt.Errorf("postgres does not run: %+v", all)
	}
	return all[i], nil
}

// kill the process of a pod that pick finds.
func kill(pod *corev1.Pod, pick func([]process) (process, error)) error {
	held, err := hold(pod, pick)
	if err != nil {
		return err
	}
	defer func() { _ = held.Release() }()
	return held.Signal(syscall.SIGKILL)
}

// hold the process of a pod that pick finds. It is looked at once more when it is held: its id may be another one's by then.
func hold(pod *corev1.Pod, pick func([]process) (process, error)) (*os.Process, error) {
	all, err := processesOf(pod)
	if err != nil {
		return nil, err
	}
	victim, err := pick(all)
	if err != nil {
		return nil, err
	}
	held, err := os.FindProcess(victim.pid)
	if err != nil {
		return nil, err
	}
	if !belongs(victim.pid, pod) {
		return nil, errors.Join(errors.New("it ended by itself"), held.Release())
	}
	return held, nil
}

// cgroupRoot is where cgroups are mounted.
const cgroupRoot = "/sys/fs/cgroup"

// freezer is the file that freezes the container of a process, and what is written to it.
func freezer(pid int) (file, frozen, thawed string, err error) {
	content, err := os.ReadFile(filepath.Join(procfs, strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return "", "", "", err
	}
	file, frozen, thawed = freezerOf(string(content))
	if file == "" {
		return "", "", "", fmt.Errorf("process %d is in no cgroup that could be frozen: %s", pid, content)
	}
	return file, frozen, thawed, nil
}

// freezerOf a process by its /proc/PID/cgroup: version 1 has a hierarchy for it, version 2 has only one.
func freezerOf(cgroup string) (file, frozen, thawed string) {
	for line := range strings.Lines(cgroup) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) == 3 && slices.Contains(strings.Split(parts[1], ","), "freezer") {
			return filepath.Join(cgroupRoot, "freezer", parts[2], "freezer.state"), "FROZEN", "THAWED"
		}
	}
	if path, unified := strings.CutPrefix(strings.TrimSpace(cgroup), "0::"); unified {
		return filepath.Join(cgroupRoot, path, "cgroup.freeze"), "1", "0"
	}
	return "", "", ""
}

// freeze every process of an instance's container between two instructions, and return how to let them go on.
func freeze(pod *corev1.Pod) (thaw func() error, err error) {
	all, err := processesOf(pod)
	if err != nil {
		return nil, err
	}
	first, err := manager(all)
	if err != nil {
		return nil, err
	}
	file, frozen, thawed, err := freezer(first.pid)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, []byte(frozen), 0o600); err != nil {
		return nil, fmt.Errorf("freezing %s: %w", pod.Name, err)
	}
	return func() error {
		err := os.WriteFile(file, []byte(thawed), 0o600)
		if errors.Is(err, os.ErrNotExist) {
			return nil // the container is gone
		}
		return err
	}, nil
}
