package handover

import (
	"slices"
	"testing"

	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

func told(status instanceapi.Status) contact.Instance {
	return contact.Instance{Client: instanceapi.NewClient("", nil), Status: status}
}

func TestToWhomALeaderCouldHandOver(t *testing.T) {
	streaming := instanceapi.Status{State: instanceapi.StateStreaming, Ready: true}
	replica := func(name, state string, lag int64) instanceapi.Replica {
		return instanceapi.Replica{Instance: name, State: state, LagBytes: lag}
	}
	record := election.Record{Holder: "c-1", Quorum: election.Quorum{Members: map[string]string{"a": "c-1", "b": "c-2", "c": "c-3", "d": "c-4", "e": "c-5", "f": "c-6"}}}
	instances := map[string]contact.Instance{
		"c-1": told(instanceapi.Status{State: instanceapi.StateRunning, Leader: true, Postgres: &instanceapi.Postgres{Replicas: []instanceapi.Replica{
			replica("c-2", "streaming", 100), replica("c-3", "streaming", MostLag+1), replica("c-5", "catchup", 0), replica("c-6", "streaming", 0), replica("c-7", "streaming", 0)}}}),
		"c-2": told(streaming), "c-3": told(streaming), "c-5": told(streaming), "c-6": told(streaming), "c-7": told(streaming),
		"c-4": told(instanceapi.Status{State: instanceapi.StateFollowing}),
	}
	for name, want := range map[string]string{"c-1": "AlreadyPrimary", "c-2": "", "c-3": "Lagging", "c-4": "Lagging", "c-5": "Lagging", "c-6": "", "c-7": "NotMember", "c-8": "NotMember"} {
		if reason, message := WhyNot(record, instances, name); reason != want || (reason == "") != (message == "") {
			t.Errorf("%s: %q (%s), want %q", name, reason, message, want)
		}
	}
	if got := Candidates(record, instances); !slices.Equal(got, []string{"c-6", "c-2"}) {
		t.Errorf("candidates %v", got)
	}
	delete(instances, "c-1")
	if reason, _ := WhyNot(record, instances, "c-2"); reason != "NoPrimary" || Candidates(record, instances) != nil {
		t.Errorf("without a leader: %s, %v", reason, Candidates(record, instances))
	}
}

func TestAnInstanceIsStoppedOnlyBesideThoseWhoseCopyCounts(t *testing.T) {
	record := election.Record{Holder: "c-1", Quorum: election.Quorum{Members: map[string]string{"a": "c-1", "b": "c-2", "c": "c-3"}}}
	streams := told(instanceapi.Status{State: instanceapi.StateStreaming, Ready: true})
	for name, tc := range map[string]struct {
		record   election.Record
		instance contact.Instance
		name     string
		want     bool
	}{
		"a member that streams":               {record, streams, "c-2", true},
		"the leader":                          {record, told(instanceapi.Status{State: instanceapi.StateRunning, Leader: true, Ready: true}), "c-1", true},
		"one that believes that it streams":   {record, streams, "c-4", false},
		"a member that does not stream":       {record, told(instanceapi.Status{State: instanceapi.StateFollowing, Ready: true}), "c-3", false},
		"a member that lets no client in yet": {record, told(instanceapi.Status{State: instanceapi.StateStreaming}), "c-3", false},
		"where the Lease cannot be read":      {election.Record{}, streams, "c-2", true},
	} {
		if got := StandsIn(tc.record, tc.instance, tc.name); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
}
