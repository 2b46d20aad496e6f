package faults

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// Diagnosis is what a person would look at first. No Secret is read.
func (b *Bed) Diagnosis(ctx context.Context) string {
	var report strings.Builder
	section := func(title string, args ...string) {
		out, err := b.kubectl(ctx, append([]string{"-n", b.Namespace}, args...)...)
		if err != nil {
			out += err.Error()
		}
		report.WriteString("=== " + title + "\n" + out + "\n")
	}
	section("cluster", "get", "pgc", b.Cluster, "-o", "jsonpath={range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{\"\\n\"}{end}"+
		"{range .status.instances[*]}{.name}: {.role} {.state} ready={.ready} {.message}{\"\\n\"}{end}")
	section("lease", "get", "leases", "-o", "jsonpath={range .items[*]}{.spec}{\"\\n\"}{.metadata.annotations}{\"\\n\"}{end}")
	section("pods", "get", "pods,pvc", "-o", "wide")
	pods, err := b.pods(ctx)
	if err != nil {
		report.WriteString(err.Error() + "\n")
	}
	for _, name := range slices.Sorted(maps.Keys(pods)) {
		out, err := b.kubectl(ctx, "-n", b.Namespace, "logs", name, "--all-containers")
		if err != nil {
			out += err.Error()
		}
		report.WriteString("=== log of " + name + "\n" + told(out))
	}
	return report.String()
}

// told is the end of a log. What the instance manager itself has said is kept for longer: PostgreSQL says a lot where much is waited for, and why another one
// leads is minutes older than that.
func told(log string) string {
	const ofManager, ofAll = 120, 40
	var lines []string
	for line := range strings.Lines(log) {
		lines = append(lines, line)
	}
	end := lines[max(0, len(lines)-ofAll):]
	before := slices.DeleteFunc(slices.Clone(lines[:len(lines)-len(end)]), func(line string) bool { return !strings.Contains(line, `"logger":"timonier"`) })
	return strings.Join(append(before[max(0, len(before)-ofManager):], end...), "")
}
