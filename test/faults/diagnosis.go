package faults

import (
	"context"
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
	for name := range pods {
		section("log of "+name, "logs", name, "--all-containers", "--tail=40")
	}
	return report.String()
}
