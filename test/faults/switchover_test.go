package faults

import (
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/election"
)

func TestTheLeaseTellsHowFarASwitchoverWas(t *testing.T) {
	moment := time.Now()
	before := Leadership{Holder: "shop-1", Term: 3, LastFailover: &election.Failover{Cause: election.CauseHandover, OpenedAt: moment.Add(-time.Hour)}}
	taken := func(cause string, opened time.Time) Leadership {
		return Leadership{Holder: "shop-2", Term: 4, LastFailover: &election.Failover{Cause: cause, OpenedAt: opened}}
	}
	for _, c := range []struct {
		after Leadership
		want  stage
	}{
		{before, notPassed},
		{Leadership{Term: 3, Handover: "shop-2", LastFailover: before.LastFailover}, isPassed},
		{taken(election.CauseHandover, time.Time{}), isTaken},
		{taken(election.CauseHandover, moment.Add(time.Millisecond)), isTaken},
		{taken(election.CauseHandover, moment.Add(-time.Millisecond)), isOver},
		{taken(election.CauseSilent, moment.Add(-time.Millisecond)), isElected},
	} {
		if got := stageOf(before, c.after, moment); got != c.want {
			t.Errorf("%+v: %s, and not %s", c.after, got, c.want)
		}
	}
}

func TestAFaultInASwitchoverKeepsItsHarm(t *testing.T) {
	one := Fault{Name: "one", KeepsLeader: true, RefusesNothing: true, Lasts: time.Minute, Hits: func(*Target) []string { return []string{"node-1"} }}
	for _, during := range []Fault{MidSwitchover(one), LateSwitchover(one)} {
		if during.KeepsLeader || during.RefusesNothing || !during.Disrupts || during.WritesWait || during.Lasts != time.Minute || during.Needs != operationKind ||
			len(during.hits(nil)) != 1 {
			t.Errorf("%+v", during)
		}
	}
	if frozen := LateSwitchover(Named("api-frozen")); frozen.Disrupts || !frozen.WritesWait {
		t.Error("writes are to be back while the Lease can be taken by nobody")
	}
}
