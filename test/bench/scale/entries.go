package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/types"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// entered tells into how many quarantines a cluster went from one version of its status to the next: for each phase that is suspended
// now, and was not before or was being tried again.
func entered(before, after []contract.Quarantine) int {
	suspended := map[string]bool{}
	for _, entry := range before {
		suspended[entry.Phase] = !entry.Trying
	}
	count := 0
	for _, entry := range after {
		if !entry.Trying && !suspended[entry.Phase] {
			count++
		}
	}
	return count
}

// noteEntries of a cluster; the caller holds the mutex.
func (s *statuses) noteEntries(key types.NamespacedName, before, after *v1alpha1.PostgresCluster) {
	var former []contract.Quarantine
	if before != nil {
		former = before.Status.Quarantine
	}
	if count := entered(former, after.Status.Quarantine); count > 0 {
		s.entries[key] += count
	}
}

// takeEntries are how often each cluster went into quarantine since they were taken last.
func (s *statuses) takeEntries() map[types.NamespacedName]int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	taken := s.entries
	s.entries = map[types.NamespacedName]int{}
	return taken
}

// Entries into quarantine during a run, as the watch of statuses tells them, beside what the operator counts itself.
type Entries struct {
	// Poisoned is how many clusters were poisoned, Once how many of them went into quarantine exactly once.
	Poisoned int `json:"poisoned"`
	Once     int `json:"once"`
	// Others are entries of clusters that were not poisoned.
	Others int `json:"others"`
	// Seen are all entries by the watch, Counted those by the operator's metric.
	Seen    int `json:"seen"`
	Counted int `json:"counted"`
}

// entriesOf these poisoned clusters and all others.
func entriesOf(seen map[types.NamespacedName]int, spoiled []*cluster, counted int) Entries {
	found := Entries{Poisoned: len(spoiled), Counted: counted}
	poisoned := map[types.NamespacedName]bool{}
	for _, c := range spoiled {
		poisoned[c.key] = true
		if seen[c.key] == 1 {
			found.Once++
		}
	}
	for key, count := range seen {
		found.Seen += count
		if !poisoned[key] {
			found.Others += count
		}
	}
	return found
}

// countedEntries are those of all clusters since the operator started, by its own metric.
func (b *bench) countedEntries(ctx context.Context) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+metricsAddress+"/metrics", http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("metrics of the operator: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // only read
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return 0, errors.Join(fmt.Errorf("metrics of the operator: %s", response.Status), err)
	}
	sum := 0.0
	for _, metric := range families[entriesFamily].GetMetric() {
		sum += metric.GetCounter().GetValue()
	}
	return int(sum), nil
}

// entriesFamily is the metric in which the operator counts entries into quarantine; absent before the first one.
const entriesFamily = "timonier_resource_quarantine_entries_total"
