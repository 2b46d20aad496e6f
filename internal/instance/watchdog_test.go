package instance

import (
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/peers"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

func TestALeaderGivesWayOnlyToWhomCanBeElected(t *testing.T) {
	three := election.Quorum{Mode: election.ModeQuorum, Required: 2, Members: map[string]string{"a1": "shop-1", "a2": "shop-2", "a3": "shop-3"}}
	says := func(incarnation string, eligible bool) peers.Beat {
		return peers.Beat{Heartbeat: instanceapi.Heartbeat{Incarnation: incarnation, Eligible: eligible}, At: time.Now()}
	}
	silent, broken := says("a3", true), says("a3", true)
	silent.At, broken.Broken = time.Now().Add(-3*time.Second), true
	for sentence, tc := range map[string]struct {
		lead  lead
		beats map[string]peers.Beat
		gives bool
	}{
		"both follow":                             {lead{serves: true, quorum: three}, map[string]peers.Beat{"shop-2": says("a2", true), "shop-3": says("a3", true)}, true},
		"one follows, and the other is there":     {lead{serves: true, quorum: three}, map[string]peers.Beat{"shop-2": says("a2", true), "shop-3": says("a3", false)}, true},
		"both are there, and none follows":        {lead{serves: true, quorum: three}, map[string]peers.Beat{"shop-2": says("a2", false), "shop-3": says("a3", false)}, false},
		"both are there, and none could yet":      {lead{quorum: three}, map[string]peers.Beat{"shop-2": says("a2", false), "shop-3": says("a3", false)}, true},
		"one follows, and the other is away":      {lead{serves: true, quorum: three}, map[string]peers.Beat{"shop-2": says("a2", true)}, false},
		"one follows, and the other is silent":    {lead{serves: true, quorum: three}, map[string]peers.Beat{"shop-2": says("a2", true), "shop-3": silent}, false},
		"one follows, and the other broke off":    {lead{serves: true, quorum: three}, map[string]peers.Beat{"shop-2": says("a2", true), "shop-3": broken}, false},
		"one follows, and the other is no member": {lead{serves: true, quorum: three}, map[string]peers.Beat{"shop-2": says("a2", true), "shop-3": says("b3", true)}, false},
	} {
		tc.lead.counts = 2 * time.Second
		if got := tc.lead.replaceable(tc.beats); got != tc.gives {
			t.Errorf("%s: %v", sentence, got)
		}
	}
}
