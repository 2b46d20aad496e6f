package instance

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

// peerFreshness is how old a peer's answer may be where a decision without a leader hangs on it.
const peerFreshness = 5 * time.Second

// errNotAsked: the program has just started, and the API server has not answered yet, or said that it does not.
var errNotAsked = errors.New("the Lease was not read yet")

// observe reads all that a decision is made from.
func (m *Manager) observe(ctx context.Context) error {
	if m.lock == nil {
		lock, err := m.options.Volumes.Lock()
		if err != nil {
			return err
		}
		m.lock = lock
	}
	if err := m.observeVolumes(ctx); err != nil {
		return err
	}
	known := m.observeLease()
	m.listen(m.others())
	if err := m.observeServer(ctx); err != nil {
		return err
	}
	if err := m.observeReplay(ctx); err != nil {
		return err
	}
	if err := m.observeHandover(ctx); err != nil {
		return err
	}
	m.suspect()
	m.askPeers(ctx)
	m.askMembers(ctx)
	if !known {
		return errNotAsked
	}
	return nil
}

// observeVolumes looks at what is on disk, while no server changes it; or beside one that was adopted, where that could not be read then. Who does not come to know its
// own copy runs no server over it: it would neither be stopped where another one leads, nor know whom commits wait for.
func (m *Manager) observeVolumes(ctx context.Context) error {
	const adopting = 3 * time.Second // less than a lease lasts
	if m.inspected || m.process.running() && !m.unread {
		return nil
	}
	contents, err := m.options.Volumes.Inspect(ctx, m.programs.ControlData)
	if err != nil && m.process.running() && time.Since(m.startedAt) > adopting {
		err = errors.Join(err, m.stop(supervisor.Immediate))
	}
	if err != nil {
		return err
	}
	m.unread = false
	m.contents, m.inspected = contents, true
	if m.endedAt.IsZero() && !m.process.running() { // no server of this program ran yet
		m.compared.crashed = contents.HasPGData && !contents.Control.CleanlyShutDown()
	}
	m.highest = max(m.highest, contents.Identity.Revision, contents.Identity.Promise) // what was promised was read
	if !m.lease.edited && m.lease.exists {
		m.see(m.lease.record)
	}
	return nil
}

// askPeers asks the others where nobody leads, so that all volumes report.
func (m *Manager) askPeers(ctx context.Context) {
	record := m.lastRecord()
	if !m.lease.exists || (record.HasSystem() && record.Holder != "" && !m.lease.edited && record.Revision >= m.highest) {
		return
	}
	// What was answered before the Lease was read as it is does not tell what was decided by then.
	m.statuses.Ask(ctx, m.others(), min(time.Second, time.Since(m.lease.since)))
}

// others are all instances that this one may have to hear.
func (m *Manager) others() []string {
	names := slices.Clone(m.contents.Identity.Members)
	if configuration, known := m.configuration.inForce(); known {
		names = append(names, configuration.Instances...)
	}
	for _, status := range m.statuses.Answers(peerFreshness) {
		names = append(names, status.Volume.Members...)
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == m.options.Instance })
}

// observation is what package election decides from.
func (m *Manager) observation() election.Observation {
	o := election.Observation{
		Cluster: m.options.Cluster, Self: m.options.Instance,
		Lease: election.Lease{Readable: m.lease.readable || m.lease.absent, Exists: m.lease.exists && !m.lease.absent, Edited: m.lease.edited, Record: m.lastRecord()},
		Own:   election.VolumeOf(m.volumeReport()),
		Led:   m.leading.record,
		Peers: map[string]election.Peer{},
	}
	if unfinished := m.contents.Unfinished; unfinished != nil && !m.contents.HasPGData {
		o.UnfinishedClone = m.contents.Identity.CloneComplete
		// What initdb made has no identity yet, or one that names its system; half a clone has one that names none.
		identity := m.contents.Identity
		if o.UnfinishedClone || !m.contents.HasIdentity || identity.System == unfinished.SystemIdentifier {
			o.Unfinished = unfinished.SystemIdentifier
		}
	}
	if configuration, known := m.configuration.inForce(); known {
		o.Instances = configuration.Instances
	}
	for name, status := range m.statuses.Answers(peerFreshness) {
		if !status.Volume.Inspected {
			continue // it has not looked yet, which is no answer
		}
		o.Peers[name] = election.Peer{Volume: election.VolumeOf(status.Volume), Leads: status.Leader,
			Since: m.statuses.AskedSince(name, m.lease.since)}
	}
	if led := m.leading.record; led != nil {
		changing := m.leaseCall != nil && m.leaseCall.record != nil && !m.leaseCall.record.Quorum.Equal(led.Quorum)
		o.LedUnsettled = changing || m.unsettled == neverRead || m.unsettledQuorum >= led.Revision
		o.LedExpired = time.Since(m.leading.renewedAt) > m.leaseDuration()
	}
	o.Running, o.Member = m.running(), m.member()
	return o
}

// volumeReport tells what the volumes hold; while a server runs, it knows best.
func (m *Manager) volumeReport() instanceapi.VolumeReport {
	c := m.contents
	report := instanceapi.VolumeReport{
		Inspected:        m.inspected || m.process.running(),
		Initialised:      c.Whole,
		EverInitialised:  c.HasPGData || c.Identity.System != "",
		SystemIdentifier: c.Identity.System,
		MajorVersion:     c.MajorVersion,
		Incarnation:      c.Identity.Incarnation,
		Revision:         m.highest,
		Promise:          &c.Identity.Promise,
		HighestTerm:      c.Identity.Term,
		HighestTimeline:  c.Identity.Timeline,
		Members:          c.Identity.Members,
	}
	if !c.HasPGData {
		return report
	}
	report.SystemIdentifier = c.Control.SystemIdentifier
	report.Timeline = c.Control.Timeline()
	report.Position = max(c.Control.CheckpointLocation, c.Control.MinRecoveryEnd).String()
	report.PositionKnown = !m.process.running() && c.Control.CleanlyShutDown()
	if o := m.process.observation; o != nil {
		report.Timeline = max(o.Timeline, m.process.replayedTimeline)
		report.Position = m.position().String()
		// Detached, with nothing left to replay and no walreceiver that could bring more: this is where recovery ends.
		report.PositionKnown = o.InRecovery && !m.process.attached && m.process.replayedTimeline != 0
	}
	report.Term = c.Identity.Lineage.Term(report.Timeline)
	return report
}

// position of the running server: inserted on a primary; on a standby what this run's walreceiver has flushed, if beyond what is replayed.
func (m *Manager) position() postgres.LSN {
	o := m.process.observation
	if !o.InRecovery {
		return o.Inserted
	}
	return max(o.Received, o.Replayed)
}
