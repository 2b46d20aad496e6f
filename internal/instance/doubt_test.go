package instance

import (
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/peers"
	"github.com/timonier-io/timonier/internal/instance/server"
)

func TestALeadersSilenceCountsFromItsLastSignAndNotFromWhenThatWasSeen(t *testing.T) {
	m := measuring(t)
	m.configuration, m.peers = load(t, t.TempDir()), peers.NewHeartbeats(peers.Options{})
	m.lease = leaseView{readable: true, exists: true, record: led("shop-2", 4, 7)}
	begin := time.Now()
	for _, look := range []struct {
		name     string
		before   time.Duration // of the look before this one
		ago      time.Duration
		suspects bool
	}{
		{"heard right after the look before", 2500 * time.Millisecond, 2400 * time.Millisecond, true},
		{"heard just now", 2500 * time.Millisecond, time.Millisecond, false},
		{"by a clock that jumped ahead, but not before the last look", time.Second, time.Hour, false},
		{"by a clock that was put back", 2500 * time.Millisecond, -time.Hour, false},
	} {
		m.doubt = doubt{holderSince: begin.Add(-time.Minute), heardAt: begin.Add(-look.before), lookedAt: begin.Add(-look.before)}
		m.process.observation = &server.Observation{InRecovery: true, Streaming: true, HeardAt: begin, HeardAgo: look.ago}
		m.suspect()
		if m.doubt.cause != "" != look.suspects {
			t.Errorf("%s: %q", look.name, m.doubt.cause)
		}
	}
	m.doubt.heardAt, m.doubt.cause = begin.Add(-time.Minute), ""
	if m.suspect(); m.doubt.cause != election.CauseSilent {
		t.Errorf("nothing new came for a minute: %q", m.doubt.cause)
	}
}
