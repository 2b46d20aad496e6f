package instance

import (
	"cmp"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/logs"
	"github.com/timonier-io/timonier/internal/instance/metrics"
)

// What metrics tell of high availability is found out here, from what the loop does: package election knows nothing of them.

// takeover is this instance's part in who leads next, from its vote, or its try to take the Lease, until somebody leads.
type takeover struct {
	// voted or stood over this term and revision.
	term, revision int64
	cause          string
	// since the leader is suspected, or was missing.
	since time.Time
	// leasedAt is when it was known that this instance holds the Lease; zero before.
	leasedAt time.Time
}

// noCause is that of a takeover without a suspicion: a lease that expired in asynchronous mode.
const noCause = "None"

// takesPart notes that this instance votes or stands. What it thought first remains: a Lease that is released in between makes it no other election.
func (m *Manager) takesPart() {
	record := m.lease.record
	if m.takeover == nil || m.takeover.term != record.Term || !m.takeover.leasedAt.IsZero() {
		cause, _ := m.takeoverCause(record)
		m.takeover = &takeover{term: record.Term, cause: cmp.Or(cause, noCause), since: m.doubt.since}
	}
	m.takeover.revision = record.Revision
}

// stands notes that this instance tries to take the Lease, and by what cause it says so.
func (m *Manager) stands(record election.Record) {
	if m.lease.record.Holder == m.options.Instance || record.Holder != m.options.Instance || record.LastFailover == nil {
		return
	}
	m.takesPart()
	m.takeover.cause = cmp.Or(record.LastFailover.Cause, noCause)
}

// measureLease looks what a record that was just read, or written, says of what this instance took part in.
func (m *Manager) measureLease(record election.Record) {
	m.measureElection(record)
	m.measureHandover(record)
}

func (m *Manager) measureElection(record election.Record) {
	t := m.takeover
	if t == nil || record.Revision <= t.revision || record.Holder == "" {
		return
	}
	holds := record.Holder == m.options.Instance && record.HolderIncarnation == m.contents.Identity.Incarnation
	switch {
	case !t.leasedAt.IsZero():
		if !holds {
			m.takeover = nil // it lost the Lease again before it let anybody in
		}
		return
	case record.Term == t.term:
		m.countElection(t.cause, metrics.Void)
	case !holds:
		m.countElection(t.cause, metrics.Lost)
	default:
		m.countElection(t.cause, metrics.Won)
		t.leasedAt = time.Now()
		if t.cause != election.CauseHandover {
			m.measures.SuspicionToLease.Observe(t.leasedAt.Sub(t.since))
		}
		return
	}
	m.takeover = nil
}

// countElection of a member; a successor that was named takes the Lease without one.
func (m *Manager) countElection(cause, outcome string) {
	if cause != election.CauseHandover {
		m.measures.Elections.Add(cause, outcome)
	}
}

// measureOpening looks what it was that has come to its end by letting clients in.
func (m *Manager) measureOpening() {
	t := m.takeover
	m.takeover = nil
	switch {
	case t == nil || t.leasedAt.IsZero():
		return // a start in place
	case t.cause == election.CauseHandover:
		m.measures.Handovers.Add(metrics.Taken)
		return
	}
	m.measures.Failovers.Add(t.cause)
	m.measures.LeaseToOpen.Observe(m.leading.openedAt.Sub(t.leasedAt))
	m.measures.Takeover.Observe(m.leading.openedAt.Sub(t.since))
}

// measureHandover looks whether a handover by this instance was passed on, and whether its successor is open. A record in between may not have been read.
func (m *Manager) measureHandover(record election.Record) {
	taken := record.LastFailover != nil && record.LastFailover.Cause == election.CauseHandover && record.LastFailover.From == m.options.Instance
	if h := m.handing; h != nil && record.Holder != m.options.Instance {
		if passed := record.Handover == h.to || taken && record.Holder == h.to; !passed {
			m.measures.Handovers.Add(metrics.GivenUp)
			return
		}
		m.measures.Handovers.Add(metrics.Passed)
		m.measures.HandoverRelease.Observe(time.Since(h.askedAt))
		m.passed = h
	}
	if m.passed == nil || record.Holder == "" {
		return
	}
	switch {
	case !taken || record.Holder != m.passed.to:
		m.passed = nil // somebody else came
	case !record.LastFailover.OpenedAt.IsZero():
		m.measures.HandoverToOpen.Observe(time.Since(m.passed.askedAt))
		m.passed = nil
	}
}

// countJob that ended.
func (m *Manager) countJob(name string, err error) {
	outcome := metrics.Done
	if err != nil {
		outcome = metrics.Failed
	}
	switch name {
	case rewindJob:
		m.measures.Rewinds.Add(outcome)
	case cloneJob:
		m.measures.Clones.Add(outcome)
	}
}

// countCancelled counts a commit that did not wait for its standbys.
func (m *Manager) countCancelled(entry logs.Entry) {
	cancelled, terminated := entry.WaitCancelled()
	switch {
	case terminated:
		m.measures.CancelledWaits.Add(metrics.ByTermination)
	case cancelled:
		m.measures.CancelledWaits.Add(metrics.ByRequest)
	default:
		return
	}
	m.cancelled.Add(1)
}

// measureWrite of a probe that came back.
func (m *Manager) measureWrite(volume string, took time.Duration, err error) {
	m.measures.WriteProbe.Observe(took, volume)
	if err != nil {
		m.measures.WriteProbeFailures.Add(metrics.ProbeError)
	}
}

// publishState keeps what metrics tell of the present, for whoever reads them beside the loop.
func (m *Manager) publishState() {
	record, identity := m.lastRecord(), &m.contents.Identity
	_, member := record.Quorum.Members[identity.Incarnation]
	m.seenState.Store(&metrics.State{
		Role: m.role(record), Term: record.Term, Timeline: record.Timeline,
		Members: len(record.Quorum.Members), Required: record.Quorum.Required, Member: member,
		Effective: m.process.enforced.effective, RenewedAt: m.revisionSince, CurrentAt: m.reach.currentAt(),
	})
}

// role that this instance has now.
func (m *Manager) role(record election.Record) string {
	p, promise := &m.process, m.contents.Identity.Promise
	switch {
	case p.running() && p.primary && m.leading.record != nil:
		return metrics.RoleLeader
	case promise != 0 && promise >= record.Revision && record.Holder != m.options.Instance:
		return metrics.RoleVoter
	case p.running() && p.attached && p.observation != nil:
		return metrics.RoleStandby
	}
	return metrics.RoleNone
}

// metricsState is what metrics tell now.
func (m *Manager) metricsState() metrics.State {
	state := *m.seenState.Load()
	state.ProbeWaits = m.writes.Waits(time.Now())
	state.HeardAt = map[string]time.Time{}
	for name, beat := range m.peers.Beats() {
		state.HeardAt[name] = beat.At
	}
	return state
}
