package quarantine

import (
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
)

// countsEvery is how often counts alone are a reason to write an object's status.
const countsEvery = time.Minute

// Ledger remembers what is known of each object's failures between two writes of its status, and when that was. Whoever holds it is the only writer: what it
// remembers goes before what a cache has read. The zero value is ready to use.
type Ledger struct {
	mutex   sync.Mutex
	objects map[types.UID]remembered
}

type remembered struct {
	status contract.FailureStatus
	// written is when the status was last written; zero for not by this program.
	written time.Time
	// recalled: it is what another program wrote down, as it was read at the start. The status may have something newer.
	recalled bool
}

// Of an object, by its status where nothing newer is remembered. That nothing fails any more is remembered until the status says so too: a cache may be behind.
func (l *Ledger) Of(uid types.UID, status contract.FailureStatus) contract.FailureStatus {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	known, ok := l.objects[uid]
	if ok && isEmpty(known.status) && isEmpty(status) {
		delete(l.objects, uid)
		ok = false
	}
	if !ok || known.recalled {
		return *status.DeepCopy()
	}
	return *known.status.DeepCopy()
}

// Peek at what is remembered of an object, whatever its status says.
func (l *Ledger) Peek(uid types.UID) contract.FailureStatus {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	known := l.objects[uid]
	return *known.status.DeepCopy()
}

// Recall what another program wrote down of an object, unless something newer is remembered.
func (l *Ledger) Recall(uid types.UID, status contract.FailureStatus) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if _, known := l.objects[uid]; !known {
		l.set(uid, status, time.Time{})
		if known, ok := l.objects[uid]; ok {
			known.recalled = true
			l.objects[uid] = known
		}
	}
}

// Keep what is known of an object now.
func (l *Ledger) Keep(uid types.UID, status contract.FailureStatus) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.set(uid, status, l.objects[uid].written)
}

// Written notes that an object's status was written with all that is known.
func (l *Ledger) Written(uid types.UID, status contract.FailureStatus, at time.Time) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.set(uid, status, at)
}

// set remembers nothing of an object that never failed: that is most of them.
func (l *Ledger) set(uid types.UID, status contract.FailureStatus, written time.Time) {
	if _, known := l.objects[uid]; !known && isEmpty(status) {
		return
	}
	if l.objects == nil {
		l.objects = map[types.UID]remembered{}
	}
	l.objects[uid] = remembered{status: *status.DeepCopy(), written: written}
}

func isEmpty(status contract.FailureStatus) bool {
	return len(status.Failures)+len(status.Quarantine) == 0
}

// Forget an object that is gone.
func (l *Ledger) Forget(uid types.UID) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	delete(l.objects, uid)
}

// WorthWriting tells whether a change from what the status has to what is known is to be written now: at once, unless only counts have changed, which
// are written once a minute. When another operator wrote them last shows in the status itself.
func (l *Ledger) WorthWriting(uid types.UID, has, known contract.FailureStatus, now time.Time) bool {
	switch {
	case equality.Semantic.DeepEqual(has, known):
		return false
	case !equality.Semantic.DeepEqual(withoutCounts(has), withoutCounts(known)):
		return true
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	written := l.objects[uid].written
	for _, failure := range has.Failures {
		if written.Before(failure.Last.Time) {
			written = failure.Last.Time
		}
	}
	return now.Sub(written) >= countsEvery
}

// withoutCounts leaves what is news: what is in quarantine, and what was released.
func withoutCounts(status contract.FailureStatus) contract.FailureStatus {
	quarantine := slices.Clone(status.Quarantine)
	for i := range quarantine {
		entry := &quarantine[i]
		entry.Count, entry.Attempts, entry.Message, entry.NextAttempt = 0, 0, "", metav1.Time{}
	}
	return contract.FailureStatus{Quarantine: quarantine, Released: status.Released}
}
