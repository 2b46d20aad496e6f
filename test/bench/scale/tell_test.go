package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/controller/handover"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

func TestTheOperatorFindsALeaderAndAnHeirInWhatIsPlayed(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 678901234, time.UTC)
	c := newFleet(8, 3, 20).clusters[7]
	lease := &coordinationv1.Lease{}
	if err := publish(c, lease, now); err != nil {
		t.Fatal(err)
	}
	record, err := election.Decode(contact.Fields(lease))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c.record(now.Truncate(time.Microsecond)), record); diff != "" {
		t.Error(diff)
	}
	instances := map[string]contact.Instance{}
	for ordinal := 1; ordinal <= c.instances; ordinal++ {
		instances[c.name(ordinal)] = contact.Instance{Client: &instanceapi.Client{}, Status: telling{}.status(c, ordinal, now)}
	}
	if found := contact.Leader(record, instances); found != "c-0007-1" {
		t.Errorf("%q leads", found)
	}
	if heirs := handover.Candidates(record, instances); !cmp.Equal(heirs, []string{"c-0007-2", "c-0007-3"}) {
		t.Errorf("%v could take over", heirs)
	}
	if later := (telling{}).status(c, 1, now.Add(time.Second)); later.Postgres.Position == instances["c-0007-1"].Status.Postgres.Position {
		t.Error("positions do not move")
	}
}

func TestAConfigurationIsInForceWhereItWasSent(t *testing.T) {
	c := newFleet(1, 3, 20).clusters[0]
	c.configured(2, instanceapi.Configuration{Revision: "r"})
	for ordinal, want := range map[int]string{1: "", 2: "r"} {
		if got := (telling{}).status(c, ordinal, time.Now()).ConfigurationRevision; got != want {
			t.Errorf("instance %d has %q", ordinal, got)
		}
	}
}

func TestAPodIsStartedOnceAndRemovedOnce(t *testing.T) {
	k := &kubelet{}
	pod := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "c-0000-1", UID: types.UID("1")}}
	going := pod.DeepCopy()
	going.DeletionTimestamp = &metav1.Time{Time: time.Unix(1000, 0)}
	for i, want := range []verb{starts, none, removes, none} {
		heard := pod
		if i > 1 {
			heard = going
		}
		if got := k.decide(heard); got != want {
			t.Errorf("event %d: %d, not %d", i, got, want)
		}
	}
	k.forget(going)
	if len(k.begun) != 0 {
		t.Error("pods that are gone are remembered")
	}
}
