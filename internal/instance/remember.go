package instance

import (
	"slices"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/volumes"
)

// What an instance writes down of what it reads in the Lease, beside its data.

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
	newTerm := record.Term > identity.Term
	write := identity.See(record)
	if !newTerm && record.Holder == m.options.Instance && record.HolderIncarnation == identity.Incarnation {
		m.saveBeside(write)
		return
	}
	if !write {
		return
	}
	if err := m.saveIdentity(*identity); err != nil {
		m.log.Error("what the Lease says was not written down", "error", err.Error())
	}
}

// saveIdentity now.
func (m *Manager) saveIdentity(identity volumes.Identity) error {
	m.awaitSaved() // what is written later has to be the later one
	return m.options.Volumes.SaveIdentity(identity)
}

// awaitSaved waits for what is written beside the loop.
func (m *Manager) awaitSaved() {
	if m.saving != nil {
		<-m.saving
		m.saving = nil
	}
}

// saveBeside writes down beside the loop what a holder has seen: its own records. On volumes that take no writes the loop would wait for ever, instead of
// giving the Lease up; and nothing hangs on it, for what is in the Lease is its own word. That it leads in a new term it writes down first, though.
func (m *Manager) saveBeside(write bool) {
	m.unsaved = m.unsaved || write
	if m.saving != nil {
		select {
		case <-m.saving:
			m.saving = nil
		default:
			return // the next renewal comes
		}
	}
	if !m.unsaved {
		return
	}
	content, done := m.contents.Identity.Copy(), make(chan struct{})
	m.unsaved, m.saving = false, done
	go func() {
		defer close(done)
		if err := m.options.Volumes.SaveIdentity(content); err != nil {
			m.log.Error("what the Lease says was not written down", "error", err.Error())
		}
	}()
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
	return m.saveIdentity(*identity)
}
