package postgrescluster

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func settledMember(name string, change func(*memberFacts)) memberFacts {
	member := memberFacts{name: name, leads: name == "c-1", answers: true, configured: true, settled: true}
	if change != nil {
		change(&member)
	}
	return member
}

func TestDecideRollout(t *testing.T) {
	replace := func(m *memberFacts) { m.replace = true }
	pending := func(m *memberFacts) { m.pending = true }
	away := func(m *memberFacts) { m.settled, m.answers = false, false }
	for name, tc := range map[string]struct {
		members []memberFacts
		want    rolloutStep
	}{
		"nothing to do": {
			[]memberFacts{settledMember("c-1", nil), settledMember("c-2", nil)}, rolloutStep{}},
		"standbys are replaced before the leader": {
			[]memberFacts{settledMember("c-1", replace), settledMember("c-2", replace)},
			rolloutStep{verb: verbReplace, instance: "c-2"}},
		"the leader is not stopped before a standby can take over": {
			[]memberFacts{settledMember("c-1", replace), settledMember("c-2", nil)},
			rolloutStep{verb: verbAwaitHeir, instance: "c-1"}},
		"the only instance is replaced as it leads": {
			[]memberFacts{settledMember("c-1", replace)},
			rolloutStep{verb: verbReplace, instance: "c-1"}},
		"the leader hands over before its pod is replaced": {
			[]memberFacts{settledMember("c-1", func(m *memberFacts) { m.replace, m.heir = true, "c-2" }), settledMember("c-2", nil)},
			rolloutStep{verb: verbHandOver, instance: "c-1", heir: "c-2", then: verbReplace}},
		"and before it restarts": {
			[]memberFacts{settledMember("c-1", func(m *memberFacts) { m.pending, m.heir = true, "c-2" }), settledMember("c-2", nil)},
			rolloutStep{verb: verbHandOver, instance: "c-1", heir: "c-2", then: verbRestart}},
		"but not for a value that is lowered": {
			[]memberFacts{settledMember("c-1", func(m *memberFacts) { m.pending, m.heir, m.lowers = true, "c-2", true }), settledMember("c-2", nil)},
			rolloutStep{verb: verbRestart, instance: "c-1"}},
		"the leader waits for the other standby before it hands over": {
			[]memberFacts{settledMember("c-1", func(m *memberFacts) { m.replace, m.heir = true, "c-2" }), settledMember("c-2", nil), settledMember("c-3", away)},
			rolloutStep{verb: verbWait, instance: "c-1", waitsFor: "c-3"}},
		"a leader that does not answer is replaced as it is": {
			[]memberFacts{settledMember("c-1", func(m *memberFacts) { away(m); replace(m) }), settledMember("c-2", nil)},
			rolloutStep{verb: verbReplace, instance: "c-1"}},
		"nobody is stopped while another does not serve": {
			[]memberFacts{settledMember("c-1", replace), settledMember("c-2", away), settledMember("c-3", replace)},
			rolloutStep{verb: verbWait, instance: "c-3", waitsFor: "c-2"}},
		"one that does not serve is replaced though another does not either": {
			[]memberFacts{settledMember("c-1", nil), settledMember("c-2", away),
				settledMember("c-3", func(m *memberFacts) { away(m); replace(m) })},
			rolloutStep{verb: verbReplace, instance: "c-3"}},
		"one that does not serve is replaced before one that waits for it": {
			[]memberFacts{settledMember("c-1", nil), settledMember("c-2", replace),
				settledMember("c-3", func(m *memberFacts) { away(m); replace(m) })},
			rolloutStep{verb: verbReplace, instance: "c-3"}},
		"a restart that is under way is not asked for again": {
			[]memberFacts{settledMember("c-1", nil), settledMember("c-2", func(m *memberFacts) { m.pending, m.settled = true, false })},
			rolloutStep{verb: verbWait, instance: "c-2", waitsFor: "c-2"}},
		"the second is not configured before the first has restarted": {
			[]memberFacts{settledMember("c-1", func(m *memberFacts) { m.configured = false }), settledMember("c-2", pending)},
			rolloutStep{verb: verbRestart, instance: "c-2"}},
		"one that does not answer does not keep others from being configured": {
			[]memberFacts{settledMember("c-1", func(m *memberFacts) { m.configured = false }), settledMember("c-2", away)},
			rolloutStep{verb: verbConfigure, instance: "c-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, decideRollout(tc.members), cmp.AllowUnexported(rolloutStep{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAStandbyIsRestartedBeforeItsLeaderUnlessAValueIsLowered(t *testing.T) {
	const c, w = "max_connections", "max_worker_processes"
	for name, tc := range map[string]struct {
		leader, standby, wanted map[string]int64
		want                    bool
	}{
		"another parameter":                     {map[string]int64{c: 100}, map[string]int64{c: 100}, map[string]int64{c: 100}, true},
		"raised":                                {map[string]int64{c: 100}, map[string]int64{c: 100}, map[string]int64{c: 200}, true},
		"lowered":                               {map[string]int64{c: 100}, map[string]int64{c: 100}, map[string]int64{c: 50}, false},
		"lowered, and the leader has it":        {map[string]int64{c: 50}, map[string]int64{c: 100}, map[string]int64{c: 50}, true},
		"lowered right after it was raised":     {map[string]int64{c: 200}, map[string]int64{c: 200}, map[string]int64{c: 100}, false},
		"one raised, one lowered: first round":  {map[string]int64{c: 100, w: 8}, map[string]int64{c: 100, w: 8}, map[string]int64{c: 200, w: 4}, true},
		"one raised, one lowered: then leader":  {map[string]int64{c: 100, w: 8}, map[string]int64{c: 200, w: 8}, map[string]int64{c: 200, w: 4}, false},
		"one raised, one lowered: second round": {map[string]int64{c: 200, w: 4}, map[string]int64{c: 200, w: 8}, map[string]int64{c: 200, w: 4}, true},
	} {
		if got := mayRestartBeforeLeader(tc.leader, tc.standby, tc.wanted); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
}

// A model of three instances shows the story of whole rollouts: each step changes the world as an instance would.
func TestRolloutStories(t *testing.T) {
	for name, tc := range map[string]struct {
		change string
		want   string
	}{
		"a parameter that reloads": {"reload",
			"configure c-2, configure c-3, configure c-1"},
		"a raised parameter restarts standbys first": {"raise",
			"configure c-2, restart c-2, configure c-3, restart c-3, configure c-1, hand over c-1"},
		"a lowered parameter restarts the primary first, then each standby that has replayed it": {"lower",
			"configure c-2, configure c-3, configure c-1, restart c-1, restart c-2, restart c-3"},
		"an image": {"image", "replace c-2, replace c-3, hand over c-1, replace c-1"},
	} {
		t.Run(name, func(t *testing.T) {
			members := []memberFacts{settledMember("c-1", nil), settledMember("c-2", nil), settledMember("c-3", nil)}
			members[0].heir, members[0].lowers = "c-2", tc.change == "lower"
			for i := range members {
				members[i].replace = tc.change == "image"
				members[i].configured = tc.change == "image"
			}
			var story []string
			for step := decideRollout(members); step.verb != verbNone && len(story) < 20; step = decideRollout(members) {
				story = append(story, fmt.Sprintf("%s %s", step.verb, step.instance))
				live(members, step, tc.change)
			}
			if got := strings.Join(story, ", "); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// live is what instances do with a step.
func live(members []memberFacts, step rolloutStep, change string) {
	for i := range members {
		member := &members[i]
		if member.name != step.instance {
			continue
		}
		switch step.verb {
		case verbNone, verbWait, verbAwaitHeir:
		case verbReplace:
			member.replace = false
		case verbHandOver:
			// It comes back as a standby of the other, started with what it is configured with.
			member.leads, member.heir, member.pending = false, "", false
			members[1].leads, members[1].heir = true, "c-3"
		case verbConfigure:
			member.configured = true
			member.pending = change == "raise" || (change == "lower" && member.leads)
		case verbRestart:
			member.pending = false
			if change == "lower" && member.leads {
				// The standbys replay the change: their floor falls, and the lower value waits for their restart.
				members[1].pending, members[2].pending = true, true
			}
		}
	}
}
