package main

import (
	"sync"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// statuses is what the API server's watch tells of all clusters: who is ready, and how often a status was another one.
type statuses struct {
	mutex sync.Mutex
	// ready are the generations for which a cluster says that its spec is reached; absent where it does not.
	ready map[types.NamespacedName]int64
	seen  written
	// entries into quarantine by cluster, see takeEntries.
	entries map[types.NamespacedName]int
}

// written is how often statuses were written with a change. A write that changes nothing makes no new version, and is not seen.
type written struct {
	// states by cluster: anything else than positions has changed.
	states map[types.NamespacedName]int
	// live: positions alone have; counters: counts of failures have, and nothing else.
	live, counters int
}

func newStatuses() *statuses {
	return &statuses{ready: map[types.NamespacedName]int64{}, seen: written{states: map[types.NamespacedName]int{}}, entries: map[types.NamespacedName]int{}}
}

func (s *statuses) handler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) {
			if cluster, ok := object.(*v1alpha1.PostgresCluster); ok {
				s.hear(nil, cluster)
			}
		},
		UpdateFunc: func(former, object any) {
			before, wasCluster := former.(*v1alpha1.PostgresCluster)
			after, isCluster := object.(*v1alpha1.PostgresCluster)
			if wasCluster && isCluster {
				s.hear(before, after)
			}
		},
	}
}

// hear of a cluster's new version; before is nil where it is the first.
func (s *statuses) hear(before, after *v1alpha1.PostgresCluster) {
	key := types.NamespacedName{Namespace: after.Namespace, Name: after.Name}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if isReady(after) {
		s.ready[key] = after.Generation
	} else {
		delete(s.ready, key)
	}
	s.noteEntries(key, before, after)
	switch {
	case before == nil || equality.Semantic.DeepEqual(before.Status, after.Status):
	case equality.Semantic.DeepEqual(withoutPositions(before.Status), withoutPositions(after.Status)):
		s.seen.live++
	case equality.Semantic.DeepEqual(withoutCounters(before.Status), withoutCounters(after.Status)):
		s.seen.counters++
	default:
		s.seen.states[key]++
	}
}

// isReady tells whether a cluster says of its present spec that it is reached.
func isReady(cluster *v1alpha1.PostgresCluster) bool {
	ready := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == cluster.Generation
}

// withoutPositions, which move all the time: they are no reason to write a status.
func withoutPositions(status v1alpha1.PostgresClusterStatus) v1alpha1.PostgresClusterStatus {
	status = *status.DeepCopy()
	for i := range status.Instances {
		status.Instances[i].Position, status.Instances[i].LagBytes = "", nil
	}
	return status
}

// withoutCounters leaves out what is counted of failures that are no quarantine yet, too.
func withoutCounters(status v1alpha1.PostgresClusterStatus) v1alpha1.PostgresClusterStatus {
	status = withoutPositions(status)
	status.Failures = nil
	return status
}

// isReady for a generation, or a later one.
func (s *statuses) isReady(key types.NamespacedName, generation int64) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	reached, ok := s.ready[key]
	return ok && reached >= generation
}

// count of the clusters that are ready.
func (s *statuses) count() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return len(s.ready)
}

// take what was seen since it was taken last.
func (s *statuses) take() written {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	taken := s.seen
	s.seen = written{states: map[types.NamespacedName]int{}}
	return taken
}

// total of the writes that changed a state.
func (w written) total() int {
	sum := 0
	for _, count := range w.states {
		sum += count
	}
	return sum
}
