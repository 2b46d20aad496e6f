// Package network plugs the nodes together: a bridge on the host, and for each node a network
// namespace whose cable ends in the bridge. It speaks to the kernel through iproute2, so that what
// it does can be tried by hand.
package network

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// run executes one command of iproute2 or the like and turns a failure into one sentence.
func run(ctx context.Context, command string, args ...string) error {
	out, err := exec.CommandContext(ctx, command, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", command, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// ip executes lines of iproute2's own language in one process, in a namespace if one is named.
func ip(ctx context.Context, netns string, lines ...string) error {
	args := []string{"-batch", "-"}
	if netns != "" {
		args = append([]string{"-netns", netns}, args...)
	}
	cmd := exec.CommandContext(ctx, "ip", args...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(lines, "; "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
