package instance

import (
	"context"
	"errors"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/kubeapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// watchedLease is what the watch last told; nil object for a deleted one.
type watchedLease struct{ object *kubeapi.Lease }

// watchLease tells the loop of every change, until the context ends.
func (m *Manager) watchLease(ctx context.Context) {
	for ctx.Err() == nil {
		err := m.leases.Watch(ctx, naming.Lease(m.options.Cluster), func(object *kubeapi.Lease) {
			m.watched.Store(&watchedLease{object})
			if !m.ownRenewal(object) {
				m.wake()
			}
		})
		if err != nil && !errors.Is(err, context.Canceled) {
			m.log.Debug("the watch of the Lease ended", "error", err.Error())
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// ownRenewal tells that a state of the Lease is most likely what this leader has just written, which it knows from the answer. If it is not, it waits for the
// next turn.
func (m *Manager) ownRenewal(object *kubeapi.Lease) bool {
	return object != nil && object.Holder == m.options.Instance && m.probes.Load()
}

// takeWatched looks at what the watch told. A follower takes renewals from it; anything that a decision may hang on is read again.
func (m *Manager) takeWatched() {
	watched := m.watched.Swap(nil)
	if watched == nil {
		return
	}
	if watched.object == nil {
		m.lease.doubtful = true
		return
	}
	if watched.object.ResourceVersion == m.lease.object.ResourceVersion {
		return
	}
	view := viewOf(*watched.object)
	if !m.process.primary && m.lease.exists && !view.edited && renewalOf(m.lease.record, view.record) {
		m.adoptView(view)
		return
	}
	m.lease.doubtful = true
}

// renewalOf tells that after says nothing new but that the leader lives.
func renewalOf(before, after election.Record) bool {
	return before.Holder == after.Holder && before.HolderIncarnation == after.HolderIncarnation && before.Address == after.Address &&
		before.Term == after.Term && before.Timeline == after.Timeline && before.System == after.System && after.Revision > before.Revision
}
