package instance

import (
	"context"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/server"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// leading is what a leader keeps of its own records.
type leading struct {
	// record that was written, or found, last; nil while this instance does not lead.
	record    *election.Record
	renewedAt time.Time
	// openedAt is when it let clients in; told once that is in the Lease.
	openedAt time.Time
	// slotsAt is when the slots were last looked at.
	slotsAt time.Time
	// slotsOf are the instances of which each was seen to have its own.
	slotsOf []string
	// replies of those that follow, by the walsender that they came to.
	replies map[server.Walsender]reply
}

// tells that the Lease does not say yet that this leader is open.
func (l leading) tells(record election.Record) bool {
	return !l.openedAt.IsZero() && record.LastFailover != nil && record.LastFailover.OpenedAt.IsZero()
}

// wrote notes a record that was written.
func (m *Manager) wrote(record election.Record) {
	if record.Holder != m.options.Instance {
		m.leading = leading{}
		return
	}
	if m.leading.record, m.leading.renewedAt = &record, time.Now(); m.process.running() {
		m.compared = comparison{}
	}
	m.process.renewed = m.process.primary
}

// renewal is this leader's record once more.
func (m *Manager) renewal() election.Record {
	record := m.addressed(m.lease.record)
	record.Revision++
	return record
}

// readyToStart tells whether a server may be started: with programs of the data's version, and a configuration.
func (m *Manager) readyToStart(ctx context.Context) (bool, error) {
	if refused, err := m.refuseVersion(ctx); err != nil || refused {
		return false, err
	}
	if _, known := m.configuration.inForce(); !known {
		m.step = waiting(instanceapi.WaitConfiguration, "waiting for the operator to send the configuration")
		return false, nil
	}
	return true, nil
}
