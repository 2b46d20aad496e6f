//go:build integration

package instance

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// idle is how long the instances are left alone before their memory is looked at; make bench waits ten minutes.
const idle = 30 * time.Second

func TestAnIdleManagerStaysSmall(t *testing.T) {
	w := cluster(t, 2, func(w *world) { w.program = env.lean })
	time.Sleep(idle)
	const limit = 25 << 10
	for _, p := range w.pods {
		resident, err := residentKiB(p.container.Process.Pid)
		w.check(err)
		t.Logf("%s: %d KiB resident", p.name, resident)
		if resident > limit {
			t.Errorf("%s has %d KiB resident, more than %d", p.name, resident, limit)
		}
	}
}

func residentKiB(pid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "VmRSS:"); found {
			return strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
		}
	}
	return 0, fmt.Errorf("no VmRSS in the status of process %d", pid)
}
