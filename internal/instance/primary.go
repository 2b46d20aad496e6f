package instance

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// leading is what a leader keeps of its own records.
type leading struct {
	// record that was written, or found, last; nil while this instance does not lead.
	record    *election.Record
	renewedAt time.Time
	// slotsAt is when the slots were last looked at.
	slotsAt time.Time
}

func (l *leading) wrote(record election.Record) {
	l.record, l.renewedAt = &record, time.Now()
}

// lead makes this instance serve as primary, one step a turn: the server runs and is out of recovery, the Lease is renewed after its start,
// Timonier's roles exist, the timeline is on disk, and only then pg_hba.conf admits clients.
func (m *Manager) lead(ctx context.Context) error {
	p := &m.process
	record := m.lease.record
	m.leading.record = &record
	switch {
	case !p.running():
		return m.startPrimary(ctx)
	case !p.primary && p.promoting:
		return nil // recovery is about to end; the control file is ahead of it
	case !p.primary:
		// It was measured as a standby, and is to be primary in place.
		return m.stop(supervisor.Fast)
	case p.observation == nil || p.observation.InRecovery:
		return nil
	case !p.renewed:
		if err := m.renew(ctx); err != nil {
			return err
		}
		p.renewed = true
	}
	if err := m.prepareToOpen(ctx); err != nil || m.job != nil {
		return err
	}
	if err := m.syncFiles(); err != nil {
		return err
	}
	m.leaderDuties(ctx)
	if time.Since(m.leading.renewedAt) >= renewEvery {
		return m.renew(ctx)
	}
	return nil
}

func (m *Manager) startPrimary(ctx context.Context) error {
	if ready, err := m.readyToStart(ctx); err != nil || !ready {
		return err
	}
	if err := m.prepareFiles(false, false); err != nil {
		return err
	}
	if err := m.removePlaceholders(); err != nil {
		return err
	}
	if err := m.detach(); err != nil {
		return err
	}
	return m.start(true, false, false)
}

// readyToStart tells whether a server may be started: with programs of the data's version, and a configuration.
func (m *Manager) readyToStart(ctx context.Context) (bool, error) {
	if refused, err := m.refuseVersion(ctx); err != nil || refused {
		return false, err
	}
	if _, known := m.configuration.inForce(); !known {
		m.decision = waiting(instanceapi.WaitConfiguration, "waiting for the operator to send the configuration")
		return false, nil
	}
	return true, nil
}

// prepareToOpen does what must be true before clients are admitted, and then admits them.
func (m *Manager) prepareToOpen(ctx context.Context) error {
	p := &m.process
	if p.open {
		return nil
	}
	if p.promoting {
		// Until then the control file is on the old timeline, and a start in place would promote once more.
		m.begin("checkpoint", instanceapi.StateRecovering, "writing the first checkpoint of timeline "+strconv.FormatInt(p.observation.Timeline, 10), m.sql.Checkpoint)
		m.job.then = func() { m.process.promoting = false }
		return nil
	}
	if !p.roles {
		// Slots first: once the role exists, clones come.
		if err := m.keepSlots(ctx); err != nil {
			return err
		}
		if err := m.sql.EnsureOwnRoles(ctx); err != nil {
			return err
		}
		p.roles = true
	}
	if err := m.setOpen(true); err != nil {
		return err
	}
	loaded, err := m.sql.LoadedAt(ctx)
	if err != nil || loaded.Before(p.filesAt) {
		return err
	}
	p.open = true
	go m.openMetrics()
	m.log.Info("open for clients", "term", m.lease.record.Term, "timeline", p.observation.Timeline, "position", p.observation.Inserted.String())
	return nil
}

// renew writes the leader's record again, with what changed since.
func (m *Manager) renew(ctx context.Context) error {
	record := m.addressed(m.lease.record)
	record.Revision++
	m.updateMembers(&record)
	if err := m.writeRecord(ctx, record); err != nil {
		return fmt.Errorf("renewing the Lease: %w", err)
	}
	return nil
}
