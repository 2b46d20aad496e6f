package postgrescluster

import (
	"strings"
	"testing"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// quorum of these instances, whose incarnations are their names with a star.
func quorum(mode election.Mode, required int, names ...string) election.Quorum {
	members := map[string]string{}
	for _, name := range names {
		members[name+"*"] = name
	}
	return election.Quorum{Mode: mode, Required: required, Members: members}
}

func TestWhetherCommitsAreAsSafeAsAskedFor(t *testing.T) {
	asked := func(mode v1alpha1.ReplicationMode) v1alpha1.Availability { return v1alpha1.Availability{Mode: mode} }
	streams := func(names ...string) (replicas []instanceapi.Replica) {
		for _, name := range names {
			replicas = append(replicas, instanceapi.Replica{Instance: name, Incarnation: name + "*", State: "streaming"})
		}
		return replicas
	}
	of3 := quorum(election.ModeQuorum, 2, "c-1", "c-2", "c-3")
	for name, tc := range map[string]struct {
		mode      v1alpha1.ReplicationMode
		instances int
		leader    string
		published election.Quorum
		replicas  []instanceapi.Replica
		want      string
		waits     bool
	}{
		"as asked":                       {"Quorum", 3, "c-1", of3, streams("c-2", "c-3"), "True Met: a commit waits for 1 of the standbys c-2, c-3", false},
		"one is away":                    {"Quorum", 3, "c-1", of3, streams("c-3"), "True Met", false},
		"both are away":                  {"Quorum", 3, "c-1", of3, nil, "False TooFewStandbys: commits wait: each needs 1 of the standbys, and none", true},
		"one catches up":                 {"Quorum", 3, "c-1", of3, []instanceapi.Replica{{Instance: "c-2", State: "catchup"}}, "False TooFewStandbys", true},
		"another copy of a member":       {"Quorum", 3, "c-1", of3, []instanceapi.Replica{{Instance: "c-2", Incarnation: "new", State: "streaming"}}, "False TooFewStandbys", true},
		"nobody streams":                 {"Quorum", 3, "c-1", quorum(election.ModeQuorum, 1, "c-1", "c-2"), nil, "False TooFewStandbys: a commit is to wait for 1 of the standbys, and none of the members streams; it waits for 0 now", false},
		"one streams, and is no member":  {"Quorum", 3, "c-1", quorum(election.ModeQuorum, 1, "c-1"), streams("c-2"), "False Adjusting: c-1 adds standbys to the members", false},
		"of two, one is away":            {"Quorum", 2, "c-1", quorum(election.ModeQuorum, 1, "c-1"), nil, "False TooFewStandbys", false},
		"members are there, q is not":    {"Quorum", 3, "c-1", quorum(election.ModeQuorum, 1, "c-1", "c-2"), streams("c-2"), "False Adjusting: c-1 raises the number of standbys that a commit waits for to 1", false},
		"made before there was a quorum": {"Quorum", 3, "c-1", quorum(election.ModeAsynchronous, 1, "c-1", "c-2"), streams("c-2"), "False Adjusting", false},
		"scaled up":                      {"Quorum", 5, "c-1", of3, streams("c-2", "c-3", "c-4"), "False Adjusting", false},
		"scaled down, q not yet lowered": {"Quorum", 3, "c-1", quorum(election.ModeQuorum, 3, "c-1", "c-2", "c-3"), streams("c-2", "c-3"), "True Met", false},
		"asynchronous":                   {"Asynchronous", 3, "c-1", quorum(election.ModeAsynchronous, 1, "c-1", "c-2"), nil, "False Asynchronous", false},
		"becoming asynchronous":          {"Asynchronous", 3, "c-1", of3, streams("c-2"), "False Adjusting: c-1 changes from mode Quorum", false},
		"one instance":                   {"Quorum", 1, "c-1", quorum(election.ModeQuorum, 1, "c-1"), nil, "False SingleInstance", false},
		"nobody leads":                   {"Quorum", 3, "", of3, nil, "Unknown NoPrimary", true},
		"hibernated":                     {"Quorum", 0, "", of3, nil, "False Hibernated", true},
	} {
		t.Run(name, func(t *testing.T) {
			facts := replicationFacts{effectiveAvailability(asked(tc.mode), tc.instances), tc.instances, tc.leader, tc.published, tc.replicas}
			condition := decideSynchronous(facts)
			if got := string(condition.Status) + " " + condition.Reason + ": " + condition.Message; !strings.HasPrefix(got, tc.want) {
				t.Errorf("%s, want %s", got, tc.want)
			}
			if facts.commitsWait() != tc.waits {
				t.Errorf("commits wait: %t", facts.commitsWait())
			}
		})
	}
}
