package postgrescluster

import (
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// notedEvery is how often what is no state is a reason to write the status.
const notedEvery = time.Minute

// written remembers when each cluster's status was last written. The zero value is ready to use.
type written struct {
	mutex sync.Mutex
	at    map[types.NamespacedName]time.Time
}

// longAgo tells whether that may be written again. One that is looked at for the first time may have been written just now, by another operator.
func (w *written) longAgo(key types.NamespacedName, now time.Time) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	at, known := w.at[key]
	if !known {
		w.keep(key, now)
		return false
	}
	return now.Sub(at) > notedEvery
}

func (w *written) set(key types.NamespacedName, at time.Time) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.keep(key, at)
}

// keep is for those that hold the mutex.
func (w *written) keep(key types.NamespacedName, at time.Time) {
	if w.at == nil {
		w.at = map[types.NamespacedName]time.Time{}
	}
	w.at[key] = at
}

func (w *written) forget(key types.NamespacedName) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	delete(w.at, key)
}

// worthWriting tells whether a state has changed. Positions and counts go with what has; positions alone are no reason, for they move with
// each transaction of each cluster: live ones are in the metrics.
func worthWriting(before, after v1alpha1.PostgresClusterStatus) bool {
	return lagMoved(before.Instances, after.Instances) || !equality.Semantic.DeepEqual(withoutLiveValues(before), withoutLiveValues(after))
}

// worthNoting tells whether something moved that is no state and is to be known all the same: what was counted; by what text an attempt failed; and positions while nobody leads, for by them
// a person chooses whom to promote, and the furthest may still be replaying.
func worthNoting(before, after v1alpha1.PostgresClusterStatus) bool {
	waits := func(status v1alpha1.PostgresClusterStatus) []v1alpha1.CancelledWaits {
		if status.Availability == nil {
			return nil
		}
		return status.Availability.CancelledWaits
	}
	positions := func(status v1alpha1.PostgresClusterStatus) map[string]string {
		found := map[string]string{}
		for i := range status.Instances {
			found[status.Instances[i].Name] = status.Instances[i].Position
		}
		return found
	}
	return !equality.Semantic.DeepEqual(before.Conditions, after.Conditions) || !equality.Semantic.DeepEqual(waits(before), waits(after)) || after.Primary == "" && !maps.Equal(positions(before), positions(after))
}

// lagMoved tells whether a standby that streams is far behind, or has caught up, since it was written: by a factor of two, beyond what is usual.
func lagMoved(before, after []v1alpha1.InstanceStatus) bool {
	written := map[string]*int64{}
	for i := range before {
		written[before[i].Name] = before[i].LagBytes
	}
	for i := range after {
		was, is := written[after[i].Name], after[i].LagBytes
		if was == nil || is == nil {
			continue // its state tells whether it streams
		}
		a, b := max(*was, v1alpha1.UsualLagBytes), max(*is, v1alpha1.UsualLagBytes)
		if a >= 2*b || b >= 2*a {
			return true
		}
	}
	return false
}

func withoutLiveValues(status v1alpha1.PostgresClusterStatus) v1alpha1.PostgresClusterStatus {
	status = *status.DeepCopy()
	for i := range status.Instances {
		status.Instances[i].Position = ""
		if status.Instances[i].LagBytes != nil {
			status.Instances[i].LagBytes = new(int64)
		}
	}
	status.Failures, status.Quarantine = nil, nil // the keeper knows when they are worth it
	for i := range status.Conditions {
		if status.Conditions[i].Reason == v1alpha1.ReasonRetrying {
			status.Conditions[i].Message = "" // each attempt may fail by another text, as of another port
		}
	}
	if status.Availability != nil {
		for i, waits := range status.Availability.CancelledWaits {
			status.Availability.CancelledWaits[i] = v1alpha1.CancelledWaits{Instance: waits.Instance, ToldAt: waits.ToldAt}
		}
	}
	return status
}
