package election

import (
	"testing"
	"time"
)

func TestALeaderIsSuspectedOnlyByWhoNeitherGetsItsWALNorHearsIt(t *testing.T) {
	const detection = 2 * time.Second
	closed := Suspicion{StreamClosed: true}
	for _, tc := range []struct {
		name string
		sees Suspicion
		want string
	}{
		{"all is well", Suspicion{}, ""},
		{"its WAL comes, and its heartbeats do not", Suspicion{Silent: time.Hour, Broken: true}, ""},
		{"its WAL comes, though it says that its server is gone", Suspicion{Down: true}, ""},
		{"it is heard, and its stream is closed", closed, ""},
		{"it is heard, and its stream is silent", Suspicion{StreamSilent: time.Hour}, ""},
		{"the stream is closed, and its heartbeats are late by less than detection", Suspicion{StreamClosed: true, Silent: detection - 1}, ""},
		{"the stream is silent for less than detection", Suspicion{StreamSilent: detection - 1, Silent: detection}, ""},
		{"the stream is closed, and it says that its server is gone", Suspicion{StreamClosed: true, Down: true}, CauseDown},
		{"the stream is silent, and it says that its server is gone", Suspicion{StreamSilent: detection, Down: true}, CauseDown},
		{"the stream is closed, and it cannot be connected to", Suspicion{StreamClosed: true, Broken: true}, CauseUnreachable},
		{"the stream is closed, and nothing is heard for as long as detection", Suspicion{StreamClosed: true, Silent: detection}, CauseSilent},
		{"nothing comes for as long as detection", Suspicion{StreamSilent: detection, Silent: detection}, CauseSilent},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.sees.Detection = detection
			if got := tc.sees.Cause(); got != tc.want {
				t.Errorf("the cause is %q, not %q", got, tc.want)
			}
		})
	}
}
