package postgrescluster

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/election"
)

func TestWhatIsLeftOpenOfTheAvailabilityIsFilledIn(t *testing.T) {
	number := func(n int32) *int32 { return &n }
	lag := resource.MustParse("1Mi")
	for name, tc := range map[string]struct {
		asked     v1alpha1.Availability
		instances int
		want      string
	}{
		"hibernated":          {v1alpha1.Availability{}, 0, "Quorum 0 Required 2 10 -"},
		"hibernated, with k":  {v1alpha1.Availability{SynchronousStandbys: number(2)}, 0, "Quorum 0 Required 2 10 -"},
		"one":                 {v1alpha1.Availability{}, 1, "Quorum 0 Required 2 10 -"},
		"two prefer":          {v1alpha1.Availability{}, 2, "Quorum 1 Preferred 2 10 -"},
		"two, told otherwise": {v1alpha1.Availability{Durability: v1alpha1.DurabilityRequired}, 2, "Quorum 1 Required 2 10 -"},
		"three":               {v1alpha1.Availability{}, 3, "Quorum 1 Required 2 10 -"},
		"four":                {v1alpha1.Availability{}, 4, "Quorum 2 Required 2 10 -"},
		"five":                {v1alpha1.Availability{}, 5, "Quorum 2 Required 2 10 -"},
		"nine":                {v1alpha1.Availability{}, 9, "Quorum 4 Required 2 10 -"},
		"k is kept":           {v1alpha1.Availability{SynchronousStandbys: number(1)}, 5, "Quorum 1 Required 2 10 -"},
		"all of them":         {v1alpha1.Availability{SynchronousStandbys: number(2)}, 3, "Quorum 2 Required 2 10 -"},
		"times":               {v1alpha1.Availability{FailureDetectionSeconds: number(5), LeaseDurationSeconds: number(30)}, 3, "Quorum 1 Required 5 30 -"},
		"asynchronous":        {v1alpha1.Availability{Mode: v1alpha1.ModeAsynchronous}, 3, "Asynchronous 0 Required 2 10 16777216"},
		"asynchronous, with k and a lag": {v1alpha1.Availability{Mode: v1alpha1.ModeAsynchronous, SynchronousStandbys: number(2), MaxLag: &lag},
			3, "Asynchronous 0 Required 2 10 1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			effective := effectiveAvailability(tc.asked, tc.instances)
			most := "-"
			if effective.MaxLag != nil {
				most = fmt.Sprint(effective.MaxLag.Value())
			}
			got := fmt.Sprintf("%s %d %s %d %d %s", effective.Mode, effective.SynchronousStandbys, effective.Durability,
				effective.FailureDetectionSeconds, effective.LeaseDurationSeconds, most)
			if got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
			sent := told(effective)
			if sent.Mode != string(effective.Mode) || sent.SynchronousStandbys != int(effective.SynchronousStandbys) ||
				(effective.MaxLag != nil && sent.MaxLagBytes != effective.MaxLag.Value()) {
				t.Errorf("instances are told %+v", sent)
			}
		})
	}
}

func TestAvailabilityIsAnotherRevisionThatNoRefusalIsHeldAgainst(t *testing.T) {
	before, after := scopeWith(nil, 1, 2, 3), scopeWith(nil, 1, 2, 3)
	after.cluster.Spec.Availability.Mode = v1alpha1.ModeAsynchronous
	was, is := before.configuration().Revision, after.configuration().Revision
	if was == is || writtenPart(was) != writtenPart(is) {
		t.Errorf("revision %s, before %s", is, was)
	}
}

func TestWhatTheLeaseSaysOfTheAvailabilityIsReported(t *testing.T) {
	suspected := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := scopeWith(nil, 1, 2, 3)
	s.observed.record = election.Record{Holder: "c-2", Term: 4,
		Quorum:       election.Quorum{Mode: election.ModeQuorum, Members: map[string]string{"b": "c-2", "a": "c-1"}, Required: 2},
		LastFailover: &election.Failover{From: "c-1", To: "c-2", Cause: "LeaderSilent", SuspectedAt: suspected}}
	status := s.availabilityStatus(nil)
	if status.Term != 4 || status.Holder != "c-2" || status.LastFailover.DurationMilliseconds != nil || status.LastFailover.Cause != "LeaderSilent" {
		t.Errorf("%+v", status)
	}
	want := &v1alpha1.QuorumStatus{Mode: v1alpha1.ModeQuorum, Members: []string{"c-1", "c-2"}, Required: 2}
	if diff := cmp.Diff(want, status.Quorum); diff != "" {
		t.Error(diff)
	}
	s.observed.record.LastFailover.OpenedAt = suspected.Add(1234 * time.Millisecond)
	status = s.availabilityStatus(status)
	if took := status.LastFailover.DurationMilliseconds; took == nil || *took != 1234 {
		t.Errorf("it took %v", took)
	}
	s.observed.record = election.Record{}
	if diff := cmp.Diff(status, s.availabilityStatus(status)); diff != "" {
		t.Errorf("a Lease that is gone takes away what was known:\n%s", diff)
	}
}
