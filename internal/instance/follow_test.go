package instance

import (
	"strings"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// A copy of which a rewind has left half is of no use until it is cloned again.
func TestACopyThatWasClonedTooOftenIsNotClonedAgainBeforeTheHourIsOver(t *testing.T) {
	m := configured(t)
	m.contents.Identity.Rewinding = true
	for n := range clonesPerHour {
		if !m.cloneAgain("it cannot follow") {
			t.Fatalf("it is not cloned for the %d. time", n+1)
		}
	}
	m.following.refused = "" // it was cloned
	done, err := m.startServer(t.Context(), true)
	if done || err == nil || !strings.Contains(err.Error(), "a rewind was interrupted, and this copy was cloned 3 times within an hour") {
		t.Errorf("its server is started, or it is cloned again: %t, %v", done, err)
	}
	m.step, m.problem = election.Step{Verb: election.StartStandby}, err.Error()
	if state, reason, message := m.state(); state != instanceapi.StateWaiting || reason != instanceapi.WaitFollow || message != err.Error() {
		t.Errorf("a person is told %s, %s: %s", state, reason, message)
	}
	m.following.clones[0] = time.Now().Add(-time.Hour)
	if !m.cloneAgain("it cannot follow") || m.cloneAgain("it cannot follow") {
		t.Error("it is to be cloned once more when the first of them was an hour ago")
	}
}
