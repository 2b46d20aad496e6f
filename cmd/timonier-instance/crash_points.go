//go:build crashpoints

package main

import "syscall"

// crashPoint makes the program kill itself at the step that the environment names, so that tests see what a crash there leaves.
// It exists only in builds with the tag crashpoints.
func crashPoint(environment func(string) string) func(string) {
	wanted := environment("TIMONIER_TEST_CRASH_AT")
	return func(step string) {
		if step == wanted {
			// PID 1 of a namespace does not take SIGKILL from within; its end takes all others along.
			syscall.Exit(137)
		}
	}
}
