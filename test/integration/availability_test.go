//go:build integration

package integration

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

func TestWhatAnAvailabilityMaySay(t *testing.T) {
	try(t, []attempt{
		{"nothing", `availability: {}`, ""},
		{"all of Quorum", `availability: {mode: Quorum, synchronousStandbys: 2, durability: Preferred, failureDetectionSeconds: 5, leaseDurationSeconds: 20}`, ""},
		{"all of Asynchronous", `availability: {mode: Asynchronous, maxLag: 16Mi}`, ""},
		{"no lag at all", `availability: {mode: Asynchronous, maxLag: 0}`, ""},
		{"bytes", `availability: {mode: Asynchronous, maxLag: 1000000}`, ""},
		{"a mode that there is not", `availability: {mode: Synchronous}`, `supported values: "Quorum", "Asynchronous"`},
		{"a durability that there is not", `availability: {durability: Always}`, `supported values: "Required", "Preferred"`},
		{"as many standbys as there are", "instances: 5\navailability: {synchronousStandbys: 4}", ""},
		{"more than there are", "instances: 3\navailability: {synchronousStandbys: 3}",
			"availability.synchronousStandbys: there are fewer standbys than that (one less than instances); lower it, raise instances"},
		{"more than there are by default", "availability: {synchronousStandbys: 3}", "availability.synchronousStandbys: there are fewer standbys"},
		{"any, for one instance", "instances: 1\navailability: {synchronousStandbys: 1}", "availability.synchronousStandbys: there are fewer standbys"},
		{"any, hibernated", "instances: 0\navailability: {synchronousStandbys: 2}", ""},
		{"no standby", `availability: {synchronousStandbys: 0}`, "should be greater than or equal to 1"},
		{"too many standbys", "instances: 9\navailability: {synchronousStandbys: 9}", "should be less than or equal to 8"},
		{"a lag with Quorum", `availability: {mode: Quorum, maxLag: 16Mi}`, "maxLag: only for mode Asynchronous"},
		{"a lag without a mode", `availability: {maxLag: 16Mi}`, "maxLag: only for mode Asynchronous"},
		{"a negative lag", `availability: {mode: Asynchronous, maxLag: "-1"}`, "maxLag: write a number of bytes"},
		{"half a byte", `availability: {mode: Asynchronous, maxLag: 500m}`, "maxLag: write a number of bytes"},
		{"no quantity", `availability: {mode: Asynchronous, maxLag: much}`, "maxLag"},
		{"detection at once", `availability: {failureDetectionSeconds: 0}`, "should be greater than or equal to 1"},
		{"detection too late", `availability: {failureDetectionSeconds: 61}`, "should be less than or equal to 60"},
		{"a lease shorter than two renewals", `availability: {leaseDurationSeconds: 5}`, "should be greater than or equal to 6"},
		{"a lease for ever", `availability: {leaseDurationSeconds: 301}`, "should be less than or equal to 300"},
		{"a lease over before a failure is seen", `availability: {failureDetectionSeconds: 20, leaseDurationSeconds: 20}`, "leaseDurationSeconds: more than failureDetectionSeconds"},
		{"detection longer than the default lease", `availability: {failureDetectionSeconds: 10}`, "leaseDurationSeconds: more than failureDetectionSeconds"},
	})
}

func TestWhatOfAnAvailabilityMayChange(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "avail-change", "instances: 5\navailability: {synchronousStandbys: 3}")
	for _, test := range []struct {
		name   string
		change func(*v1alpha1.PostgresClusterSpec)
		says   string
	}{
		{"fewer instances than it needs", func(s *v1alpha1.PostgresClusterSpec) { *s.Instances = 3 }, "availability.synchronousStandbys: there are fewer standbys"},
		{"hibernated", func(s *v1alpha1.PostgresClusterSpec) { *s.Instances = 0 }, ""},
		{"back with too few", func(s *v1alpha1.PostgresClusterSpec) { *s.Instances = 2 }, "availability.synchronousStandbys: there are fewer standbys"},
		{"back with few, and unset", func(s *v1alpha1.PostgresClusterSpec) { *s.Instances, s.Availability.SynchronousStandbys = 2, nil }, ""},
		{"asynchronous", func(s *v1alpha1.PostgresClusterSpec) { s.Availability.Mode = v1alpha1.ModeAsynchronous }, ""},
		{"and back", func(s *v1alpha1.PostgresClusterSpec) { s.Availability.Mode = v1alpha1.ModeQuorum }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			found := exists[v1alpha1.PostgresCluster](t, c, "avail-change")
			patched := found.DeepCopy()
			test.change(&patched.Spec)
			mustSay(t, c.Patch(t.Context(), patched, client.MergeFrom(found)), test.says)
		})
	}
}

func TestAvailabilityReachesInstancesAndWhatTheLeasePublishesIsShown(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "avail", "instances: 3")
	leads := instanceapi.Status{State: instanceapi.StateRunning, Ready: true, Leader: true, Postgres: &instanceapi.Postgres{Version: "17.6"}}
	stands := answering(t, c, "avail", "avail-1", "127.0.83.1", leads)
	stands.will(instanceapi.PathConfiguration, takes)
	suspected := time.Now().Add(-time.Minute)
	published(t, c, "avail", election.Record{Holder: "avail-1", HolderIncarnation: "a", Term: 3, Revision: 40, Timeline: 3, System: "7711010913629491224",
		Quorum:       election.Quorum{Mode: election.ModeQuorum, Members: map[string]string{"a": "avail-1", "b": "avail-2"}, Required: 2},
		LastFailover: &election.Failover{From: "avail-2", To: "avail-1", Cause: "LeaderSilent", SuspectedAt: suspected, OpenedAt: suspected.Add(2500 * time.Millisecond)}})
	edited(t, c, "avail", func(p *v1alpha1.PostgresCluster) { p.Spec.Team = "looked-again" })
	want := instanceapi.Availability{Mode: "Quorum", SynchronousStandbys: 1, Durability: "Required", FailureDetectionSeconds: 2, LeaseDurationSeconds: 10}
	eventually(t, "the defaults at the instance", func() bool {
		sent := stands.inForce().Availability
		return sent != nil && cmp.Equal(*sent, want)
	})
	eventually(t, "what the Lease publishes", func() bool {
		shown := exists[v1alpha1.PostgresCluster](t, c, "avail").Status.Availability
		return shown != nil && shown.Term == 3 && shown.Holder == "avail-1" && shown.Quorum != nil && shown.Quorum.Required == 2 &&
			cmp.Equal(shown.Quorum.Members, []string{"avail-1", "avail-2"}) && shown.LastFailover != nil &&
			shown.LastFailover.Cause == "LeaderSilent" && *shown.LastFailover.DurationMilliseconds == 2500
	})

	conditionIs(t, c, "avail", v1alpha1.ConditionSynchronous, metav1.ConditionFalse, v1alpha1.ReasonTooFewStandbys)

	edited(t, c, "avail", func(p *v1alpha1.PostgresCluster) {
		p.Spec.Availability.Mode, p.Spec.Availability.MaxLag = v1alpha1.ModeAsynchronous, quantity(t, "1Mi")
	})
	want = instanceapi.Availability{Mode: "Asynchronous", Durability: "Required", FailureDetectionSeconds: 2, LeaseDurationSeconds: 10, MaxLagBytes: 1 << 20}
	eventually(t, "the other mode at the instance", func() bool { return cmp.Equal(*stands.inForce().Availability, want) })
	eventually(t, "the values in effect", func() bool {
		effective := exists[v1alpha1.PostgresCluster](t, c, "avail").Status.Availability.Effective
		return effective.Mode == v1alpha1.ModeAsynchronous && effective.MaxLag.Value() == 1<<20
	})

	// Parameters that are refused keep no availability from being brought to instances.
	edited(t, c, "avail", func(p *v1alpha1.PostgresCluster) {
		p.Spec.Availability.Mode, p.Spec.Availability.MaxLag = v1alpha1.ModeQuorum, nil
		p.Spec.Parameters = map[string]intstr.IntOrString{"fsync": intstr.FromString("off")}
	})
	stalledFor(t, c, "avail", v1alpha1.ReasonInvalidSpec)
	eventually(t, "the mode beside the former parameters", func() bool {
		sent := stands.inForce()
		return sent.Availability.Mode == "Quorum" && len(sent.Parameters) == 0
	})
}

// conditionIs waits until a condition of the cluster has this status and reason.
func conditionIs(t *testing.T, c client.Client, cluster, kind string, status metav1.ConditionStatus, reason string) {
	t.Helper()
	eventually(t, kind+" of "+cluster+" is "+string(status)+" for "+reason, func() bool {
		found := meta.FindStatusCondition(exists[v1alpha1.PostgresCluster](t, c, cluster).Status.Conditions, kind)
		return found != nil && found.Status == status && found.Reason == reason
	})
}

func TestAFailoverIsReportedFromTheLeaseWithCauseAndLength(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "over", "instances: 3")
	leads := instanceapi.Status{State: instanceapi.StateRunning, Ready: true, Leader: true, Postgres: &instanceapi.Postgres{Version: "17.6"}}
	record := election.Record{Holder: "over-1", HolderIncarnation: "a", Term: 1, Revision: 10, Timeline: 1, System: "7711010913629491224",
		Quorum: election.Quorum{Mode: election.ModeQuorum, Members: map[string]string{"a": "over-1", "b": "over-2", "c": "over-3"}, Required: 2}}
	published(t, c, "over", record)
	eventually(t, "the first term", func() bool {
		found := exists[v1alpha1.PostgresCluster](t, c, "over").Status.Availability
		return found != nil && found.Term == 1
	})
	conditionIs(t, c, "over", v1alpha1.ConditionSynchronous, metav1.ConditionUnknown, v1alpha1.ReasonNoPrimary)

	// Nothing is changed here but the Lease and the instance.
	stands := answering(t, c, "over", "over-2", "127.0.84.2", leads)
	suspected := time.Now().Add(-10 * time.Second)
	record.Holder, record.HolderIncarnation, record.Term, record.Revision = "over-2", "b", 2, 11
	record.LastFailover = &election.Failover{From: "over-1", To: "over-2", Cause: "LeaderSilent", SuspectedAt: suspected}
	published(t, c, "over", record)
	conditionIs(t, c, "over", v1alpha1.ConditionAvailable, metav1.ConditionFalse, v1alpha1.ReasonTooFewStandbys)
	conditionIs(t, c, "over", v1alpha1.ConditionSynchronous, metav1.ConditionFalse, v1alpha1.ReasonTooFewStandbys)
	leads.Instance, leads.Postgres.Replicas = "over-2", []instanceapi.Replica{{Instance: "over-3", Incarnation: "c", State: "streaming"}}
	stands.tells(leads)
	record.Revision, record.LastFailover.OpenedAt = 12, suspected.Add(2300*time.Millisecond)
	published(t, c, "over", record)
	event := told(t, c, "over", v1alpha1.ReasonFailover)
	if want := "over-2 leads in place of over-1: LeaderSilent; 2.3s from the first sign of it until clients were let in (term 2)"; event.Note != want || event.Type != "Warning" {
		t.Errorf("%s: %s", event.Type, event.Note)
	}
	conditionIs(t, c, "over", v1alpha1.ConditionSynchronous, metav1.ConditionTrue, v1alpha1.ReasonMet)
	conditionIs(t, c, "over", v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonWriting)

	suspected = time.Now().Add(-time.Second)
	record.Holder, record.HolderIncarnation, record.Term, record.Revision = "over-3", "c", 3, 13
	record.LastFailover = &election.Failover{From: "over-2", To: "over-3", Cause: "Handover", SuspectedAt: suspected, OpenedAt: suspected.Add(800 * time.Millisecond)}
	published(t, c, "over", record)
	if event := told(t, c, "over", v1alpha1.ReasonSwitchover); event.Note != "over-2 handed over to over-3 within 800ms (term 3)" || event.Type != "Normal" {
		t.Errorf("%s: %s", event.Type, event.Note)
	}

	// A second failover within minutes has an event of its own.
	suspected = time.Now().Add(-time.Second)
	record.Holder, record.HolderIncarnation, record.Term, record.Revision = "over-1", "a", 4, 14
	record.LastFailover = &election.Failover{From: "over-3", To: "over-1", Cause: "LeaderDown", SuspectedAt: suspected, OpenedAt: suspected.Add(700 * time.Millisecond)}
	published(t, c, "over", record)
	eventually(t, "an event about the second failover", func() bool {
		return slices.ContainsFunc(events(t, c, "over", v1alpha1.ReasonFailover), func(e eventsv1.Event) bool {
			return e.Note == "over-1 leads in place of over-3: LeaderDown; 700ms from the first sign of it until clients were let in (term 4)"
		})
	})
}

func TestAClusterIsReadyOnlyWhenCommitsAreAsSafeAsAskedFor(t *testing.T) {
	c := operatorRuns(t)
	w := trioOf(t, c, "safe", 92)
	for name := range w.instances {
		seen(t, c, name)
	}
	w.instances["safe-1"].will(instanceapi.PathAccess, func(*instance, []byte) *instanceapi.RefusedError { return nil })
	conditionIs(t, c, "safe", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)

	w.record.Quorum.Required, w.record.Quorum.Mode = 1, election.ModeAsynchronous
	w.leads(t, "safe-1")
	conditionIs(t, c, "safe", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonAdjusting)
	w.record.Quorum.Mode = election.ModeQuorum
	w.leads(t, "safe-1")
	conditionIs(t, c, "safe", v1alpha1.ConditionSynchronous, metav1.ConditionFalse, v1alpha1.ReasonAdjusting)
	w.record.Quorum.Required = 2
	w.leads(t, "safe-1")
	conditionIs(t, c, "safe", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}
