// Package figures is what every benchmark writes beside what it measures: where and when it was, and a summary in a
// page of the documentation, between two markers.
package figures

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Where and when something was measured.
type Where struct {
	At     time.Time `json:"at"`
	Commit string    `json:"commit"`
	// Dirty: files were changed, so that the commit does not tell all.
	Dirty     bool   `json:"dirty,omitempty"`
	Cores     int    `json:"cores"`
	MemoryMiB int    `json:"memoryMiB"`
	Kernel    string `json:"kernel"`
	// LoadBefore and LoadAfter are the load averages over 1, 5 and 15 minutes.
	LoadBefore string `json:"loadBefore"`
	LoadAfter  string `json:"loadAfter"`
}

// results leaves out the files that benchmarks write: changing them changes nothing that could be measured.
func results() []string { return []string{"--", ".", ":!bench", ":!docs"} }

// Describe the machine as it is now, and the commit that what runs on it was last changed by.
func Describe(ctx context.Context) (Where, error) {
	where := Where{At: time.Now().UTC().Truncate(time.Second), Cores: runtime.NumCPU()}
	commit, err := Output(ctx, "git", append([]string{"log", "-1", "--format=%H"}, results()...)...)
	if err != nil {
		return where, err
	}
	changed, err := Output(ctx, "git", append([]string{"status", "--porcelain"}, results()...)...)
	if err != nil {
		return where, err
	}
	where.Commit, where.Dirty = commit, changed != ""
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return where, err
	}
	where.Kernel = strings.TrimSpace(string(kernel))
	memory, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return where, err
	}
	if where.MemoryMiB, err = Kibibytes(string(memory), "MemTotal:"); err != nil {
		return where, err
	}
	where.MemoryMiB /= 1024
	where.LoadBefore, err = Load()
	return where, err
}

// Load averages over 1, 5 and 15 minutes.
func Load() (string, error) {
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "", err
	}
	fields := strings.Fields(string(content))
	if len(fields) < 3 {
		return "", fmt.Errorf("/proc/loadavg holds %q", content)
	}
	return strings.Join(fields[:3], " "), nil
}

// Kibibytes of a line such as "VmRSS:  1234 kB".
func Kibibytes(text, name string) (int, error) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			var n int
			if _, err := fmt.Sscanf(strings.TrimSpace(rest), "%d kB", &n); err != nil {
				return 0, fmt.Errorf("%s %q: %w", name, rest, err)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("there is no line %s", name)
}

// CPUSeconds that a process has used, and with it the children that it has waited for and those that these have: by user and system time in its
// /proc/PID/stat, which is somewhere in the text. What a child that still runs has used is not in it, and comes all at once when it has ended. The
// kernel counts hundredths for programs, whatever its own clock is: proc(5), USER_HZ.
func CPUSeconds(text string) (float64, error) {
	const userHZ, utime, cstime = 100, 11, 14 // counted behind the name, which is in parentheses and may hold anything
	for line := range strings.Lines(text) {
		end := strings.LastIndex(line, ") ")
		if end < 0 || !strings.Contains(line[:end], " (") {
			continue
		}
		fields := strings.Fields(line[end+2:])
		if len(fields) <= cstime {
			continue
		}
		sum := 0
		for _, field := range fields[utime : cstime+1] { // user and system time, and both of the children
			used, err := strconv.Atoi(field)
			if err != nil {
				return 0, fmt.Errorf("user or system time: %w", err)
			}
			sum += used
		}
		return float64(sum) / userHZ, nil
	}
	return 0, errors.New("there is no line of /proc/PID/stat")
}

// Output of a program.
func Output(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
