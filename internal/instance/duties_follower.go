package instance

import (
	"context"
	"time"

	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
)

const (
	// followerDutiesEvery is how often a follower moves its own slots forward.
	followerDutiesEvery = 10 * time.Second
	// floorEvery is how often it looks whether replay brought other values of the parameters that it may not set lower, which takes a program; floorSoon where
	// that is to be expected.
	floorEvery = 30 * time.Second
	floorSoon  = 3 * time.Second
)

// followerDuties are what a follower does all the time.
func (m *Manager) followerDuties(ctx context.Context) {
	f := &m.following
	every := floorEvery
	if m.floorMatters() {
		every = floorSoon
	}
	if time.Since(f.floorAt) >= every {
		f.floorAt = time.Now()
		if control, err := m.programs.ControlData(ctx, m.options.Volumes.PGData()); err != nil {
			m.log.Warn("the control file cannot be read, trying again", "error", err.Error())
		} else {
			m.contents.Control = control // syncFiles renders with it
			if m.raisedBehindItsBack() {
				return
			}
		}
	}
	m.takeSettingEarly(ctx)
	if time.Since(f.dutyAt) < followerDutiesEvery {
		return
	}
	f.dutyAt = time.Now()
	m.statuses.Ask(ctx, []string{m.lastRecord().Holder}, followerDutiesEvery/2)
	if err := m.keepSlots(ctx); err != nil {
		m.log.Warn("replication slots are not as they should be, trying again", "error", err.Error())
		return
	}
	if err := m.advanceSlots(ctx); err != nil {
		m.log.Warn("replication slots do not move, trying again", "error", err.Error())
	}
}

// floorMatters where replay pauses, as it does for want of more, and where less is asked for than its primary was last seen to run with.
func (m *Manager) floorMatters() bool {
	configuration, known := m.configuration.inForce()
	lower := known && postgres.Raised(postgres.DesiredStandbySensitive(configuration.Version, configuration.Parameters), m.contents.Control.StandbySensitive)
	return lower || m.process.observation.Paused
}

// takeSettingEarly completes a checkpoint after the first quorum that this server was told to wait for: a promotion then need not wait for one to be
// sure that the checkpointer has taken that.
func (m *Manager) takeSettingEarly(ctx context.Context) {
	identity, p := m.contents.Identity, &m.process
	if p.enforced.checkpointed || synchronousStandbyNames(identity.Told, identity.ToldTerm, identity.Incarnation) == "" {
		return
	}
	loaded, err := m.sql.LoadedAt(ctx)
	if err == nil && !loaded.Before(p.filesAt) {
		p.enforced.checkpointed, err = m.checkpointed(ctx)
	}
	if err != nil {
		m.log.Warn("no checkpoint, trying again", "error", err.Error())
	}
}

// raisedBehindItsBack restarts a standby that has replayed that its primary runs with more than it does itself, as when it had not
// yet heard of a raised value when it started: its replay is paused until it has as much, and would stay so for ever.
func (m *Manager) raisedBehindItsBack() bool {
	running, needed := m.process.observation.StandbySensitive, m.contents.Control.StandbySensitive
	if !postgres.Raised(running, needed) {
		return false
	}
	m.log.Warn("the primary runs with more than this standby, which restarts to replay on", "running", running, "primary", needed)
	if err := m.stop(supervisor.Fast); err != nil {
		m.log.Warn("the standby cannot be stopped, trying again", "error", err.Error())
	}
	return true
}

// advanceSlots moves the slots that this standby keeps for others up to what their members have flushed, as the leader knows
// it. Nobody streams from them, so nothing else would move them, and they would keep WAL for ever.
func (m *Manager) advanceSlots(ctx context.Context) error {
	leader, answered := m.statuses.Answers(2 * followerDutiesEvery)[m.lastRecord().Holder]
	if !answered || leader.Postgres == nil {
		return nil
	}
	replayed := m.process.observation.Replayed
	flushed := map[string]postgres.LSN{naming.Slot(m.lastRecord().Holder): replayed} // whatever was received from the leader it has
	for _, replica := range leader.Postgres.Replicas {
		if position, err := postgres.ParseLSN(replica.Flushed); err == nil {
			flushed[naming.Slot(replica.Instance)] = position
		}
	}
	slots, err := m.sql.Slots(ctx)
	if err != nil {
		return err
	}
	for name, slot := range slots {
		to := min(flushed[name], replayed)
		if slot.Active || slot.Lost || to <= slot.RestartAt {
			continue
		}
		if err := m.sql.AdvanceSlot(ctx, name, to); err != nil {
			return err
		}
	}
	return nil
}
