package election

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var published = Record{
	Holder: "shop-1", HolderIncarnation: "a1", Address: "10.0.0.1", Term: 3, Revision: 70, Timeline: 4, System: "7711",
	Quorum:   Quorum{Mode: ModeAsynchronous, Members: map[string]string{"a1": "shop-1", "b1": "shop-2"}, Required: 1},
	History:  []Fork{{Term: 1, Timeline: 1, At: "0/0"}, {Term: 3, Timeline: 4, At: "0/5000000"}},
	Position: "0/6000000", Handover: "shop-2",
	LastFailover: &Failover{From: "shop-3", To: "shop-1", Cause: "LeaderDown", SuspectedAt: time.Unix(100, 0).UTC(), OpenedAt: time.Unix(102, 0).UTC()},
}

func encoded(t *testing.T, record Record) Fields {
	t.Helper()
	fields, err := Encode(record, Fields{
		LeaseDurationSeconds: 10, RenewTime: time.UnixMicro(1_700_000_000_123_456),
		Annotations: map[string]string{"somebody.else/s": "stays", annotationPosition: "of the record before"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

func TestARecordSurvivesTheLease(t *testing.T) {
	for name, record := range map[string]Record{
		"published": published,
		"marked":    {System: Bootstrap("shop-1")},
		"released":  {Term: 3, Revision: 71, Timeline: 4, System: "7711", Quorum: published.Quorum},
		"empty":     {},
	} {
		t.Run(name, func(t *testing.T) {
			fields := encoded(t, record)
			if fields.Annotations["somebody.else/s"] != "stays" {
				t.Error("somebody else's annotation is gone")
			}
			decoded, err := Decode(fields)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(record, decoded); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEveryEditOfTheLeaseIsNoticed(t *testing.T) {
	edits := map[string]func(*Fields){
		"holder":     func(f *Fields) { f.HolderIdentity = "shop-2" },
		"no holder":  func(f *Fields) { f.HolderIdentity = "" },
		"term":       func(f *Fields) { f.LeaseTransitions++ },
		"duration":   func(f *Fields) { f.LeaseDurationSeconds++ },
		"renewal":    func(f *Fields) { f.RenewTime = f.RenewTime.Add(time.Microsecond) },
		"no sum":     func(f *Fields) { delete(f.Annotations, annotationChecksum) },
		"mark again": func(f *Fields) { f.Annotations[annotationSystem] = Bootstrap("shop-2") },
	}
	for _, key := range ours {
		edits["changed "+key] = func(f *Fields) { f.Annotations[key] += "1" }
		edits["removed "+key] = func(f *Fields) { delete(f.Annotations, key) }
	}
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			fields := encoded(t, published)
			edit(&fields)
			if record, err := Decode(fields); !errors.Is(err, ErrEdited) {
				t.Errorf("decoded %+v, %v", record, err)
			}
		})
	}
}

func TestTheOperatorsMarkNeedsNoChecksum(t *testing.T) {
	record, err := Decode(Fields{Annotations: map[string]string{"timonier.io/system": "bootstrap=shop-1"}})
	if err != nil {
		t.Fatal(err)
	}
	if instance, ok := record.Bootstraps(); !ok || instance != "shop-1" || record.HasSystem() {
		t.Errorf("decoded %+v", record)
	}
}

func TestACopyShareNothing(t *testing.T) {
	copied := published.Copy()
	copied.Quorum.Members["c1"] = "shop-3"
	copied.History[0].At = "changed"
	if len(published.Quorum.Members) != 2 || published.History[0].At != "0/0" {
		t.Error("changing the copy changed the original")
	}
	if !maps.Equal(published.Quorum.Members, map[string]string{"a1": "shop-1", "b1": "shop-2"}) {
		t.Error(published.Quorum.Members)
	}
}
