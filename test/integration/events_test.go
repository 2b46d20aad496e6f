//go:build integration

package integration

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// told waits for an event about the cluster with this reason.
func told(t *testing.T, c client.Client, cluster, reason string) eventsv1.Event {
	t.Helper()
	var found []eventsv1.Event
	eventually(t, "an event about "+cluster+" with the reason "+reason, func() bool {
		found = events(t, c, cluster, reason)
		return len(found) > 0
	})
	return found[0]
}

// events about a cluster that there are by now, for a reason.
func events(t *testing.T, c client.Client, cluster, reason string) []eventsv1.Event {
	t.Helper()
	uid := exists[v1alpha1.PostgresCluster](t, c, cluster).UID
	var all eventsv1.EventList
	if err := c.List(t.Context(), &all, client.InNamespace("shop")); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all.Items, func(e eventsv1.Event) bool { return e.Regarding.UID != uid || e.Reason != reason })
}

func TestAStalledClusterIsToldAsAnEventInTheConditionsWords(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "mute", "instances: 1\nstorage: {size: 1Gi, storageClassName: nobody-has-it}")
	stalledFor(t, c, "mute", v1alpha1.ReasonStorageClass)
	stalled := meta.FindStatusCondition(exists[v1alpha1.PostgresCluster](t, c, "mute").Status.Conditions, v1alpha1.ConditionStalled)
	event := told(t, c, "mute", stalled.Reason)
	if event.Type != "Warning" || event.Note != stalled.Message || event.Regarding.Kind != "PostgresCluster" {
		t.Errorf("the condition says %q; the event is %s: %q about a %s", stalled.Message, event.Type, event.Note, event.Regarding.Kind)
	}
}

func TestWhatIsSeenInPassingIsToldAsAnEvent(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "scribbled", "instances: 1")
	lease := exists[coordinationv1.Lease](t, c, naming.Lease("scribbled"))
	patched := lease.DeepCopy()
	patched.Annotations[annotationSystem] = "bootstrap=scribbled-7"
	if err := c.Patch(t.Context(), patched, client.MergeFrom(lease)); err != nil {
		t.Fatal(err)
	}
	edited(t, c, "scribbled", func(p *v1alpha1.PostgresCluster) { p.Spec.Team = "looked-again" })
	if event := told(t, c, "scribbled", v1alpha1.ReasonLeaseIgnored); event.Type != "Normal" || event.Note == "" {
		t.Errorf("the event is %s: %q", event.Type, event.Note)
	}
}

// cancels is how many commits an instance says that it has returned too early; the operator is made to look.
func (w *trio) cancels(t *testing.T, instance string, waits instanceapi.CancelledWaits) {
	t.Helper()
	w.instances[instance].change(func(status *instanceapi.Status) { status.CancelledWaits = &waits })
	edited(t, w.c, w.name, func(p *v1alpha1.PostgresCluster) { p.Spec.Team += "x" })
}

// knownOf the commits that an instance returned too early, as the status has it.
func (w *trio) knownOf(t *testing.T, instance string) v1alpha1.CancelledWaits {
	t.Helper()
	if availability := exists[v1alpha1.PostgresCluster](t, w.c, w.name).Status.Availability; availability != nil {
		for _, known := range availability.CancelledWaits {
			if known.Instance == instance {
				return known
			}
		}
	}
	return v1alpha1.CancelledWaits{}
}

func TestCommitsThatNobodyProtectsAreToldOncePerBurstAndWhoseTheyAreIsListed(t *testing.T) {
	c := operatorRuns(t)
	w := trioOf(t, c, "early", 98)
	w.instances["early-1"].change(func(status *instanceapi.Status) {
		status.SynchronousCommitOverrides = &instanceapi.SynchronousCommitOverrides{Total: 21, Listed: []instanceapi.SynchronousCommitOverride{
			{Role: "app", Value: "off"}, {Role: "app", Database: "shop", Value: "local"}}}
	})
	since := time.Now().Add(-time.Hour)
	w.cancels(t, "early-1", instanceapi.CancelledWaits{Since: since, Count: 3})
	event := told(t, c, "early", v1alpha1.ReasonCommitWaitsCancelled)
	want := "on early-1 3 commits were returned since " + since.UTC().Format(time.RFC3339) + " before enough standbys had them"
	if event.Type != "Warning" || !strings.HasPrefix(event.Note, want) || event.Related == nil || event.Related.Name != "early-1" {
		t.Errorf("the event is %s: %q about %+v, want %q", event.Type, event.Note, event.Related, want)
	}
	listed := &v1alpha1.SynchronousCommitOverrides{Total: 21, Listed: []v1alpha1.SynchronousCommitOverride{{Role: "app", Value: "off"}, {Database: "shop", Role: "app", Value: "local"}}}
	eventually(t, "who has lowered synchronous_commit is listed", func() bool {
		return cmp.Equal(exists[v1alpha1.PostgresCluster](t, c, "early").Status.Availability.SynchronousCommitOverrides, listed)
	})

	w.cancels(t, "early-1", instanceapi.CancelledWaits{Since: since, Count: 10})
	eventually(t, "more of the burst is counted and not told", func() bool {
		known := w.knownOf(t, "early-1")
		return known.Count == 10 && known.Untold == 7
	})

	// A quarter of an hour later.
	found := exists[v1alpha1.PostgresCluster](t, c, "early")
	before := found.DeepCopy()
	long := metav1.NewTime(time.Now().Add(-15 * time.Minute))
	found.Status.Availability.CancelledWaits[0].ToldAt = &long
	if err := c.Status().Patch(t.Context(), found, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the rest of the burst is told", func() bool {
		known := w.knownOf(t, "early-1")
		return known.Untold == 0 && known.Count == 10 && known.ToldAt.After(long.Time)
	})

	w.instances["early-1"].change(func(status *instanceapi.Status) {
		status.SynchronousCommitOverrides = &instanceapi.SynchronousCommitOverrides{}
	})
	edited(t, c, "early", func(p *v1alpha1.PostgresCluster) { p.Spec.Team += "x" })
	eventually(t, "nobody is listed any more", func() bool {
		return exists[v1alpha1.PostgresCluster](t, c, "early").Status.Availability.SynchronousCommitOverrides == nil
	})
}
