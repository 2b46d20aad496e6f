//go:build crashpoints

package main

import (
	"os"
	"syscall"
)

// hangsOn is a named pipe, where a test wants the program to wait.
const hangsOn = "/run/timonier/hangs"

// crashPoint makes the program kill itself at the step that the environment names, so that tests see what a crash there leaves, or wait there in the kernel, as for a
// volume that is gone. It exists only in builds with the tag crashpoints.
func crashPoint(environment func(string) string) func(string) {
	crashes, hangs := environment("TIMONIER_TEST_CRASH_AT"), environment("TIMONIER_TEST_HANG_AT")
	return func(step string) {
		switch step {
		case crashes:
			// PID 1 of a namespace does not take SIGKILL from within; its end takes all others along.
			syscall.Exit(137)
		case hangs:
			if pipe, err := os.OpenFile(hangsOn, os.O_WRONLY, 0); err == nil { // once somebody reads; at once where there is none
				_ = pipe.Close()
			}
		}
	}
}
