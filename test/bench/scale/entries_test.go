package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

func TestAnEntryIsCountedWhenAPhaseIsSuspendedAndWasNot(t *testing.T) {
	network, trying, poison := contract.Quarantine{Phase: "network"}, contract.Quarantine{Phase: "network", Trying: true}, contract.Quarantine{Phase: "poison"}
	for _, step := range []struct {
		what          string
		before, after []contract.Quarantine
		want          int
	}{
		{"nothing", nil, nil, 0},
		{"into quarantine", nil, []contract.Quarantine{network}, 1},
		{"it stays", []contract.Quarantine{network}, []contract.Quarantine{network}, 0},
		{"it is tried again", []contract.Quarantine{network}, []contract.Quarantine{trying}, 0},
		{"it is still being tried", []contract.Quarantine{trying}, []contract.Quarantine{trying}, 0},
		{"it goes back", []contract.Quarantine{trying}, []contract.Quarantine{network}, 1},
		{"another phase beside it", []contract.Quarantine{network}, []contract.Quarantine{network, poison}, 1},
		{"out of it", []contract.Quarantine{network}, nil, 0},
	} {
		if got := entered(step.before, step.after); got != step.want {
			t.Errorf("%s: %d, want %d", step.what, got, step.want)
		}
	}
}

func TestEntriesAreToldByWhoWasPoisoned(t *testing.T) {
	f := newFleet(4, 3, 20)
	seen := map[types.NamespacedName]int{f.clusters[0].key: 1, f.clusters[1].key: 2, f.clusters[3].key: 1}
	want := Entries{Poisoned: 3, Once: 1, Others: 1, Seen: 4, Counted: 7}
	if diff := cmp.Diff(want, entriesOf(seen, f.clusters[:3], 7)); diff != "" {
		t.Error(diff)
	}
}

func TestTheWatchTellsEntriesAndCountsOfFailuresApart(t *testing.T) {
	key := types.NamespacedName{Namespace: "n", Name: "c"}
	made := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	s := newStatuses()
	hear := func(edit func(*v1alpha1.PostgresClusterStatus)) {
		before := made
		made = made.DeepCopy()
		edit(&made.Status)
		s.hear(before, made)
	}
	hear(func(status *v1alpha1.PostgresClusterStatus) {
		status.Failures = []contract.Failure{{Phase: "network", Count: 1}}
	})
	hear(func(status *v1alpha1.PostgresClusterStatus) { status.Failures[0].Count = 2 })
	hear(func(status *v1alpha1.PostgresClusterStatus) {
		status.Failures, status.Quarantine = nil, []contract.Quarantine{{Phase: "network"}}
	})
	if taken := s.take(); taken.counters != 2 || taken.states[key] != 1 {
		t.Errorf("counted: %+v", taken)
	}
	if taken := s.takeEntries(); taken[key] != 1 || len(s.takeEntries()) != 0 {
		t.Errorf("entries: %v", taken)
	}
}
