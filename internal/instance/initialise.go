package instance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/volumes"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/kubeapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
)

// initJob is what it is called as work beside the loop.
const initJob = "initdb"

// initialise creates the PostgreSQL system: in pgdata.new; then the mark in the Lease is exchanged for its system
// identifier; only then it is put into its place. A crash before the exchange starts over, one after it is
// finished by the holder (finish), so there is never a second system.
func (m *Manager) initialise(ctx context.Context) error {
	if refused, err := m.refuseVersion(ctx); err != nil || refused {
		return err
	}
	if m.pauses(initJob) {
		return nil
	}
	lease := m.lease
	m.begin(initJob, instanceapi.StateBootstrapping, "creating the PostgreSQL system", func(ctx context.Context) error {
		layout := m.options.Volumes
		m.options.Step("initialise: begin")
		if err := layout.Clear(); err != nil {
			return err
		}
		m.options.Step("initialise: cleared")
		arguments, err := postgres.InitdbArguments(postgres.InitdbInput{
			Major: m.options.Major, DataDirectory: layout.NewPGData(), WALDirectory: layout.WALDirectory(),
		})
		if err != nil {
			return err
		}
		if _, err := m.programs.Run(ctx, "initdb", arguments...); err != nil {
			return err
		}
		control, err := m.programs.ControlData(ctx, layout.NewPGData())
		if err != nil {
			return err
		}
		m.options.Step("initialise: initdb done")
		record := election.Record{
			Holder: m.options.Instance, HolderIncarnation: volumes.NewIncarnation(), Address: m.options.PodIP,
			Term: 1, Revision: lease.record.Revision + 1, Timeline: 1, System: control.SystemIdentifier,
			History: []election.Fork{{Term: 1, Timeline: 1, At: postgres.LSN(0).String()}},
		}
		record.Quorum = election.Quorum{
			Mode: election.ModeQuorum, Members: map[string]string{record.HolderIncarnation: record.Holder}, Required: 1,
		}
		if err := m.exchangeMark(ctx, record); err != nil {
			return err
		}
		m.options.Step("initialise: mark exchanged")
		return m.placeInitialised(record)
	})
	return nil
}

// exchangeMark writes the first record over the mark. Where the fate of the update is unknown it is tried again
// under the same version, of which only one can succeed, and the Lease is read until it tells.
func (m *Manager) exchangeMark(ctx context.Context, record election.Record) error {
	for {
		object, err := m.leases.Get(ctx, naming.Lease(m.options.Cluster))
		if err == nil {
			view := viewOf(object)
			if view.record.System == record.System {
				return nil
			}
			if instance, ok := view.record.Bootstraps(); !ok || instance != m.options.Instance {
				return errors.New("the Lease does not let this instance create the system any more; what initdb made is thrown away")
			}
			if object, err = encoded(object, record, m.configuredLease()); err != nil {
				return err
			}
			_, err = m.leases.Update(ctx, object)
			if err == nil || (kubeapi.Refused(err) && !kubeapi.IsConflict(err)) {
				return err
			}
		}
		m.log.Warn("the bootstrap mark is not exchanged yet, trying again", "error", err.Error())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(jobPause):
		}
	}
}

// finish puts a complete pgdata.new into its place, after a crash.
func (m *Manager) finish() error {
	m.log.Info("finishing what was interrupted", "why", m.step.Message)
	m.awaitSaved()
	m.inspected = false
	if m.contents.Identity.CloneComplete {
		return m.placeCloned(m.contents.Identity)
	}
	return m.placeInitialised(m.lease.record)
}

// placeInitialised gives the new system its identity, and only then its place. Like all that a job calls, it touches nothing of the loop's but the volumes.
func (m *Manager) placeInitialised(record election.Record) error {
	identity := volumes.Identity{Instance: m.options.Instance, System: record.System, Incarnation: record.HolderIncarnation}
	identity.See(record)
	if err := m.options.Volumes.SaveIdentity(identity); err != nil {
		return err
	}
	m.options.Step("place: identity written")
	return m.place()
}

func (m *Manager) place() error {
	if err := m.options.Volumes.Place(); err != nil {
		return err
	}
	m.options.Step("place: renamed")
	return nil
}

// refuseVersion waits where the image's programs are not of the version that is asked for.
func (m *Manager) refuseVersion(ctx context.Context) (refused bool, err error) {
	version, err := m.readVersion(ctx)
	if err != nil {
		return true, err
	}
	data := m.contents.MajorVersion
	switch {
	case version.MajorString() != m.options.Major:
		m.step = waiting(instanceapi.WaitVersion, fmt.Sprintf(
			"the image holds PostgreSQL %s, but version %s is asked for; correct spec.image or spec.version", version, m.options.Major))
	case data != "" && data != version.MajorString():
		m.step = waiting(instanceapi.WaitVersion, fmt.Sprintf(
			"the data is of PostgreSQL %s, but the image holds %s; restore the former image", data, version))
	default:
		return false, nil
	}
	return true, nil
}
