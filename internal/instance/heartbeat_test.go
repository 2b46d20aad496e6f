package instance

import (
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

func TestAFollowerRepeatsItselfLessOftenThanALeaderAndOftenEnoughToBeHeard(t *testing.T) {
	m := measuring(t)
	m.configuration = load(t, t.TempDir())
	for seconds, want := range map[int32]time.Duration{1: leaderBeats, 2: followerBeats, 30: followerBeats} {
		m.configuration.use(&instanceapi.Configuration{Availability: &instanceapi.Availability{FailureDetectionSeconds: seconds}})
		if got := m.beatsAgain(instanceapi.Heartbeat{}); got != want || got > m.failureDetection()/2 {
			t.Errorf("silent after %d s, a follower is heard each %s", seconds, got)
		}
		if got := m.beatsAgain(instanceapi.Heartbeat{Leads: true}); got != leaderBeats {
			t.Errorf("silent after %d s, a leader is heard each %s", seconds, got)
		}
	}
}

func TestAllWhoListenAreToldTogetherAndNoneLaterThanAfterOneBeat(t *testing.T) {
	for since, want := range map[time.Duration]time.Duration{
		0: 500 * time.Millisecond, time.Millisecond: 499 * time.Millisecond, 10*time.Second + 499*time.Millisecond: time.Millisecond, 10*time.Second + 500*time.Millisecond: 500 * time.Millisecond,
	} {
		if got := untilNext(leaderBeats, since); got != want {
			t.Errorf("%s after the clock began the next beat comes after %s, want %s", since, got, want)
		}
	}
}
