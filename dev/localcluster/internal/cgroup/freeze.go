package cgroup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Freeze stops every process of a unit (or of one daemon) between two instructions. They keep
// their memory, sockets and locks, as on a machine that hangs.
func Freeze(ctx context.Context, unitAndProcess ...string) error {
	return setFrozen(ctx, true, unitAndProcess)
}

// Thaw lets frozen processes go on.
func Thaw(ctx context.Context, unitAndProcess ...string) error {
	return setFrozen(ctx, false, unitAndProcess)
}

// Frozen tells whether a unit or daemon is frozen.
func Frozen(unitAndProcess ...string) bool {
	file, frozen, _ := freezer(dirOf(unitAndProcess))
	data, _ := os.ReadFile(file)
	return strings.TrimSpace(string(data)) == frozen
}

func dirOf(unitAndProcess []string) string {
	if len(unitAndProcess) == 2 {
		return primary(unitAndProcess[0], daemons, unitAndProcess[1])
	}
	return primary(unitAndProcess...)
}

// freezer is the file that freezes, and what it holds in either state.
func freezer(dir string) (file, frozen, thawed string) {
	if V2() {
		return filepath.Join(dir, "cgroup.freeze"), "1", "0"
	}
	return filepath.Join(dir, "freezer.state"), "FROZEN", "THAWED"
}

func setFrozen(ctx context.Context, freeze bool, unitAndProcess []string) error {
	what := strings.Join(unitAndProcess, "/")
	file, frozen, thawed := freezer(dirOf(unitAndProcess))
	want := thawed
	if freeze {
		want = frozen
	}
	if _, err := os.Stat(file); os.IsNotExist(err) {
		return fmt.Errorf("%s has no cgroup, so it does not run: start it first", what)
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			return fmt.Errorf("writing %s to the freezer of %s: %w", want, what, err)
		}
		if settled(file, want) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not become %s in 20 s: a process of it is probably held by the kernel, "+
				"for instance by a stalled volume; release that first", what, strings.ToLower(want))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// settled tells whether the kernel has finished: version 1 says FREEZING in between, version 2
// tells it in another file.
func settled(file, want string) bool {
	if V2() {
		events, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cgroup.events"))
		return strings.Contains(string(events), "frozen "+want)
	}
	state, _ := os.ReadFile(file)
	return strings.TrimSpace(string(state)) == want
}
