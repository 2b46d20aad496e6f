package postgrescluster

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/timonier-io/timonier/internal/election"
)

func TestAMereRenewalOfTheLeaseIsNoNews(t *testing.T) {
	lease := func(change func(*election.Record)) *coordinationv1.Lease {
		record := election.Record{Holder: "c-1", HolderIncarnation: "a", Term: 3, Revision: 7, Timeline: 3, System: "7711010913629491224", Position: "0/5000000",
			Quorum: quorum(election.ModeQuorum, 2, "c-1", "c-2"), LastFailover: &election.Failover{To: "c-1", Cause: election.CauseDown, SuspectedAt: time.Unix(1, 0)}}
		change(&record)
		fields, err := election.Encode(record, election.Fields{})
		if err != nil {
			t.Fatal(err)
		}
		term := int32(record.Term) //nolint:gosec // a test leads a few terms, no more
		made := &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{HolderIdentity: &record.Holder, LeaseTransitions: &term}}
		made.Annotations = fields.Annotations
		return made
	}
	before := lease(func(*election.Record) {})
	edited := before.DeepCopy()
	edited.Annotations["timonier.io/revision"] = "99"
	for name, tc := range map[string]struct {
		after *coordinationv1.Lease
		want  bool
	}{
		"a renewal":       {lease(func(r *election.Record) { r.Revision, r.Position = 8, "0/6000000" }), false},
		"another holder":  {lease(func(r *election.Record) { r.Holder = "c-2" }), true},
		"nobody":          {lease(func(r *election.Record) { r.Holder = "" }), true},
		"another term":    {lease(func(r *election.Record) { r.Term = 4 }), true},
		"another quorum":  {lease(func(r *election.Record) { r.Quorum.Required = 1 }), true},
		"clients are in":  {lease(func(r *election.Record) { r.LastFailover.OpenedAt = time.Unix(2, 0) }), true},
		"edited by hand":  {edited, true},
		"nothing changed": {before.DeepCopy(), false},
	} {
		if got := tellsNews(before, tc.after); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
