package postgrescluster

import (
	"errors"
	"slices"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/reconcile"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

func TestWhatKeepsDataAndConnectionsSafeIsNeverSuspended(t *testing.T) {
	names := reconcile.NamesOf((&Reconciler{}).phases())
	for _, vital := range []string{"volume-growth", "finalizer", "certificates", "lost-pods", "permissions", "lease", "health"} {
		if !slices.Contains(names.Vital, vital) {
			t.Errorf("%s may be put into quarantine", vital)
		}
	}
	for _, ordinary := range []string{"network", "image", "rollout", "credentials", "access"} {
		if !slices.Contains(names.Ordinary, ordinary) {
			t.Errorf("%s is tried on for ever, whatever it fails by", ordinary)
		}
	}
}

func TestAClusterThatFailsAgainAndAgainWaitsForRoomBehindAllOthers(t *testing.T) {
	r := &Reconciler{Keeper: &reconcile.Keeper{}, offenders: reconcile.NewOffenders(1)}
	if err := r.recalled.Do(func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	request := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "worst"}}
	r.known.Store(request.NamespacedName, types.UID("u"))
	for range 3 {
		round := r.Keeper.Begin(reconcile.Subject{UID: "u", Generation: 1}, reconcile.Names{Ordinary: []string{"network"}}, quarantine.DefaultPolicy(), time.Unix(1000, 0))
		r.Keeper.End(round, []reconcile.Outcome{{Phase: "network", Err: errors.New("nobody may have it")}})
	}
	_, _ = r.offenders.Work(ctrl.Request{}, true, func() (ctrl.Result, error) {
		// There is no API server here: whoever were worked on would fail.
		result, err := r.Reconcile(t.Context(), request)
		if err != nil || !result.Requeue || result.Priority == nil || *result.Priority != reconcile.LowPriority { //nolint:staticcheck // as the controller has it
			t.Errorf("%+v, %v", result, err)
		}
		return result, err
	})
}

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
