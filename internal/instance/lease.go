package instance

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/kubeapi"
	"github.com/timonier-io/timonier/internal/naming"
)

const (
	// renewEvery is the one write that an idle leader makes.
	renewEvery = 3 * time.Second
	// leaseSeconds is how long a leader that renews no more counts as alive.
	leaseSeconds = 10
	// rereadEvery bounds how long a watch that broke silently goes unnoticed.
	rereadEvery = 10 * time.Second
	// rereadSoonest is the least time between two reads that nothing asked for.
	rereadSoonest = 500 * time.Millisecond
)

// leaseView is the Lease as this instance last saw it.
type leaseView struct {
	object   kubeapi.Lease
	record   election.Record
	readable bool
	exists   bool
	edited   bool
	readAt   time.Time
	// doubtful: it must be read again before anything hangs on it: somebody else wrote it, or a write's fate is unknown.
	doubtful bool
}

// watchedLease is what the watch last told; nil object for a deleted one.
type watchedLease struct{ object *kubeapi.Lease }

func viewOf(object kubeapi.Lease) leaseView {
	record, err := election.Decode(election.Fields{
		HolderIdentity: object.Holder, LeaseTransitions: object.Transitions, LeaseDurationSeconds: object.DurationSeconds,
		RenewTime: object.RenewTime, Annotations: object.Annotations,
	})
	return leaseView{object: object, record: record, readable: true, exists: true, edited: err != nil, readAt: time.Now()}
}

// observeLease makes sure that what is known of the Lease is good enough for a decision.
func (m *Manager) observeLease(ctx context.Context) {
	m.takeWatched()
	age := time.Since(m.lease.readAt)
	switch {
	case age < rereadSoonest && !m.lease.doubtful && m.lease.readable:
		return
	case m.lease.doubtful, !m.lease.readable, !m.lease.exists, age >= rereadEvery:
	case m.process.running() && (m.process.primary || m.following.settled):
		return // a leader's own writes, and for a follower the watch, tell enough
	}
	object, err := m.leases.Get(ctx, naming.Lease(m.options.Cluster))
	switch {
	case err == nil:
		m.adoptView(viewOf(object))
	case kubeapi.IsNotFound(err):
		m.lease = leaseView{readable: true, readAt: time.Now()}
	default:
		if m.lease.readable {
			m.log.Warn("the Lease cannot be read", "error", err.Error())
		}
		m.lease.readable, m.lease.readAt = false, time.Now()
	}
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

// adoptView takes a state of the Lease over, and writes down what must not be forgotten of it.
func (m *Manager) adoptView(view leaseView) {
	m.lease = view
	if view.edited {
		return
	}
	m.see(view.record)
}

// see notes what a record says in the identity, if it is of this volume's system.
func (m *Manager) see(record election.Record) {
	if record.Revision < m.highest {
		return
	}
	m.highest = record.Revision
	identity := &m.contents.Identity
	if !m.contents.HasIdentity || identity.System == "" || identity.System != record.System {
		return
	}
	if !identity.See(record) {
		return
	}
	if err := m.options.Volumes.SaveIdentity(*identity); err != nil {
		m.log.Error("what the Lease says was not written down", "error", err.Error())
	}
}

// addressed fills in what the writer of a record knows.
func (m *Manager) addressed(record election.Record) election.Record {
	record = record.Copy()
	record.Address = m.options.PodIP
	if o := m.process.observation; o != nil {
		record.Position = m.position().String()
	}
	return record
}

// writeRecord updates the Lease under the version that was read last. Where it fails the Lease is read again before anything else.
func (m *Manager) writeRecord(ctx context.Context, record election.Record) error {
	if err := m.rememberMembers(record); err != nil {
		return err
	}
	written, err := m.updateLease(ctx, m.lease.object, record)
	if err != nil {
		m.lease.doubtful = true
		return err
	}
	m.adoptView(viewOf(written))
	m.leading.wrote(record)
	return nil
}

// updateLease writes a record into the object that was read.
func (m *Manager) updateLease(ctx context.Context, object kubeapi.Lease, record election.Record) (kubeapi.Lease, error) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	if object.Holder != record.Holder || object.Transitions != record.Term {
		object.AcquireTime = now
	}
	fields, err := election.Encode(record, election.Fields{
		LeaseDurationSeconds: leaseSeconds, RenewTime: now, Annotations: object.Annotations,
	})
	if err != nil {
		return kubeapi.Lease{}, err
	}
	object.Holder, object.Transitions, object.DurationSeconds = fields.HolderIdentity, fields.LeaseTransitions, leaseSeconds
	object.RenewTime, object.Annotations = now, fields.Annotations
	return m.leases.Update(ctx, object)
}

// rememberMembers writes added members down before they are published: whoever may have been a member must be heard where nobody leads.
func (m *Manager) rememberMembers(record election.Record) error {
	identity := &m.contents.Identity
	if !m.contents.HasIdentity || identity.System != record.System {
		return nil
	}
	union := slices.Concat(identity.Members, record.MemberNames())
	slices.Sort(union)
	union = slices.Compact(union)
	if slices.Equal(union, identity.Members) {
		return nil
	}
	identity.Members = union
	return m.options.Volumes.SaveIdentity(*identity)
}

// watchLease tells the loop of every change, until the context ends.
func (m *Manager) watchLease(ctx context.Context) {
	for ctx.Err() == nil {
		err := m.leases.Watch(ctx, naming.Lease(m.options.Cluster), func(object *kubeapi.Lease) {
			m.watched.Store(&watchedLease{object})
			m.wake()
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
