//go:build integration

package integration

import (
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// The bootstrap mark lets an instance create a system: where there ever was one, no version of the Lease may carry it.

const annotationSystem = "timonier.io/system"

func markOf(t *testing.T, c client.Client, cluster string) string {
	t.Helper()
	return exists[coordinationv1.Lease](t, c, naming.Lease(cluster)).Annotations[annotationSystem]
}

// recorded writes the identifier of a system into the cluster's status, as it is after the first instance was created, and
// waits until the mark is gone for it.
func recorded(t *testing.T, c client.Client, name string) {
	t.Helper()
	found := exists[v1alpha1.PostgresCluster](t, c, name)
	patched := found.DeepCopy()
	patched.Status.SystemIdentifier = "7711010913629491224"
	if err := c.Status().Patch(t.Context(), patched, client.MergeFrom(found)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the mark is gone", func() bool { return markOf(t, c, name) == "" })
}

// leaseLost deletes the Lease, and gives a function that ends the watch and tells which marks were seen since.
func leaseLost(t *testing.T, c client.Client, name string) (marksSince func() []string) {
	t.Helper()
	watching, err := client.NewWithWatch(server.config, client.Options{Scheme: c.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	lost := exists[coordinationv1.Lease](t, c, naming.Lease(name))
	versions, err := watching.Watch(t.Context(), &coordinationv1.LeaseList{}, client.InNamespace("shop"),
		client.MatchingFields{"metadata.name": lost.Name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(versions.Stop)
	if err := c.Delete(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another Lease", func() bool {
		found := &coordinationv1.Lease{}
		return c.Get(t.Context(), key(lost.Name), found) == nil && found.UID != lost.UID
	})
	return func() []string {
		const last = "test/last"
		found := exists[coordinationv1.Lease](t, c, lost.Name)
		patched := found.DeepCopy()
		patched.Labels[last] = "yes"
		if err := c.Patch(t.Context(), patched, client.MergeFrom(found)); err != nil {
			t.Fatal(err)
		}
		var marks []string
		for event := range versions.ResultChan() {
			lease, ok := event.Object.(*coordinationv1.Lease)
			if !ok {
				t.Fatalf("the watch broke: %v", event)
			}
			if mark := lease.Annotations[annotationSystem]; mark != "" && event.Type != watch.Deleted {
				marks = append(marks, mark)
			}
			if lease.Labels[last] != "" {
				break
			}
		}
		return marks
	}
}

func TestNoSystemIsCreatedBesideARecordedOneAlthoughNoVolumeIsLeft(t *testing.T) {
	c := operatorRuns(t)
	// Without instances there are no volumes.
	asked(t, c, "emptied", "instances: 0")
	if got := markOf(t, c, "emptied"); got != "bootstrap=emptied-1" {
		t.Fatalf("before there was a system, the Lease says %q", got)
	}
	recorded(t, c, "emptied")
	marksSince := leaseLost(t, c, "emptied")
	edited(t, c, "emptied", func(p *v1alpha1.PostgresCluster) { p.Spec.Team = "looked-again" })
	if marks := marksSince(); len(marks) > 0 {
		t.Errorf("an instance might have created a second system: %v", marks)
	}
}

func TestALostLeaseIsMarkedAgainOnlyWhereNoSystemIsRecorded(t *testing.T) {
	c := operatorRuns(t)
	untouched := instanceapi.Status{State: instanceapi.StateWaiting, Volume: instanceapi.VolumeReport{Inspected: true}}

	asked(t, c, "unborn", "instances: 1")
	exists[corev1.Pod](t, c, "unborn-1")
	leaseLost(t, c, "unborn")
	if got := markOf(t, c, "unborn"); got != "" {
		t.Fatalf("before the volume was heard, the Lease says %q", got)
	}
	answering(t, c, "unborn", "unborn-1", "127.0.81.1", untouched)
	eventually(t, "the mark again", func() bool { return markOf(t, c, "unborn") == "bootstrap=unborn-1" })

	asked(t, c, "born", "instances: 1")
	exists[corev1.Pod](t, c, "born-1")
	recorded(t, c, "born")
	marksSince := leaseLost(t, c, "born")
	answering(t, c, "born", "born-1", "127.0.81.2", untouched)
	eventually(t, "the instance was heard", func() bool {
		instances := exists[v1alpha1.PostgresCluster](t, c, "born").Status.Instances
		return len(instances) == 1 && instances[0].State == string(instanceapi.StateWaiting)
	})
	edited(t, c, "born", func(p *v1alpha1.PostgresCluster) { p.Spec.Team = "looked-again" })
	if marks := marksSince(); len(marks) > 0 {
		t.Errorf("an instance might have created a second system: %v", marks)
	}
}
