//go:build integration

package integration

import (
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// told waits for an event about the cluster with this reason.
func told(t *testing.T, c client.Client, cluster, reason string) eventsv1.Event {
	t.Helper()
	uid := exists[v1alpha1.PostgresCluster](t, c, cluster).UID
	var found eventsv1.Event
	eventually(t, "an event about "+cluster+" with the reason "+reason, func() bool {
		var all eventsv1.EventList
		if err := c.List(t.Context(), &all, client.InNamespace("shop")); err != nil {
			t.Fatal(err)
		}
		for i := range all.Items {
			if all.Items[i].Regarding.UID == uid && all.Items[i].Reason == reason {
				found = all.Items[i]
				return true
			}
		}
		return false
	})
	return found
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
