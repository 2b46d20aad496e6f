package instance

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instance/volumes"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
)

// cloneName is the application_name of a clone: not a member's, or a half-finished clone would be counted as one.
const cloneName = "timonier_clone"

// cloneJob is what it is called as work beside the loop.
const cloneJob = "clone"

// clone copies the leader's data into pgdata.new, and puts it into its place. A crash on the way throws the copy away
// and begins again, unless the identity says that it was complete.
func (m *Manager) clone(ctx context.Context) error {
	if refused, err := m.refuseVersion(ctx); err != nil || refused {
		return err
	}
	if m.process.running() {
		return m.stop(supervisor.Immediate)
	}
	if m.pauses(cloneJob) {
		return nil
	}
	record := m.lastRecord()
	discard := m.contents.HasPGData
	if discard {
		if whyNot := m.mayDiscard(ctx, record); whyNot != nil {
			m.step = waiting(whyNot.reason, whyNot.message)
			return nil
		}
		m.log.Warn("discarding this copy of the data; the leader has it", "damage", m.contents.Damage, "leader", record.Holder, "why", m.following.refused+m.step.Message)
	}
	m.following.refused = ""
	m.begin(cloneJob, instanceapi.StateCloning, "cloning from "+record.Holder, func(ctx context.Context) error {
		if discard {
			if err := m.options.Volumes.Discard(); err != nil {
				return err
			}
		}
		m.options.Step("clone: begin")
		return m.takeClone(ctx, record)
	})
	return nil
}

// kept is why data that is of no use is not thrown away yet.
type kept struct {
	reason  instanceapi.WaitReason
	message string
}

// mayDiscard tells whether data may be deleted to be cloned again, nil where it may: only while the leader itself says that it leads the same
// system. Without that, this may be the only copy.
func (m *Manager) mayDiscard(ctx context.Context, record election.Record) *kept {
	no := func(format string, args ...any) *kept {
		return &kept{instanceapi.WaitLeader, "this copy of the data cannot be used, " + fmt.Sprintf(format, args...)}
	}
	leader, answered := m.statuses.Answers(peerFreshness)[record.Holder]
	switch {
	case m.needed(record):
		why := no("and is not thrown away, for without it %s has too few members: each commit is on %d of %d. As soon as another instance has joined them it is cloned anew",
			record.Holder, record.Quorum.Required, len(record.Quorum.Members))
		why.reason = instanceapi.WaitIrreparable
		return why
	case m.counted(record):
		return no("but %s still counts it among the members; nothing is deleted before it does not", record.Holder)
	case !answered:
		m.statuses.Ask(ctx, []string{record.Holder}, 0)
		return no("and %s, which has the other, does not answer; nothing is deleted before it does", record.Holder)
	case !leader.Leader || leader.Volume.SystemIdentifier != record.System:
		m.statuses.Ask(ctx, []string{record.Holder}, time.Second)
		return no("and %s does not lead yet; nothing is deleted before it does", record.Holder)
	}
	if own := m.volumeReport(); own.Initialised && ahead(election.VolumeOf(own), election.VolumeOf(leader.Volume)) {
		return &kept{instanceapi.WaitLeader, fmt.Sprintf("this copy of the data, at %s of term %d, is ahead of what %s has, which may have lost what it had: nothing is deleted. Look at both; delete this volume if its data is not needed",
			own.Position, own.Term, record.Holder)}
	}
	if !m.lease.readable || m.lease.doubtful || !m.lease.asked.After(m.endedAt) {
		m.askLease()
		return no("and the Lease has to be read again before it is deleted: %s may count it among the members by now", record.Holder)
	}
	return nil
}

// counted tells whether commits may be waiting for this copy, or be on it.
func (m *Manager) counted(record election.Record) bool {
	_, member := record.Quorum.Members[m.contents.Identity.Incarnation]
	return member && record.Quorum.Required > 1
}

// needed tells whether the leader cannot drop this copy from the members.
func (m *Manager) needed(record election.Record) bool {
	return m.counted(record) && record.Holder != "" && len(record.Quorum.Members) <= record.Quorum.Required && !m.preferred()
}

// ahead compares as an election does: by term and position.
func ahead(a, b election.Volume) bool {
	return cmp.Or(cmp.Compare(a.Term, b.Term), cmp.Compare(a.Position, b.Position)) > 0
}

func (m *Manager) takeClone(ctx context.Context, record election.Record) error {
	layout := m.options.Volumes
	if err := awaitServer(ctx, record.Address); err != nil {
		return err
	}
	if err := layout.Clear(); err != nil {
		return err
	}
	// From here on this volume is nobody's copy: the old incarnation is gone before the new one exists.
	identity := volumes.Identity{Instance: m.options.Instance, Incarnation: volumes.NewIncarnation(), Revision: record.Revision}
	if err := layout.SaveIdentity(identity); err != nil {
		return err
	}
	m.options.Step("clone: cleared")
	arguments := []string{
		"--pgdata=" + layout.NewPGData(), "--wal-method=stream", "--checkpoint=fast", "--no-password",
		"--slot=" + naming.Slot(m.options.Instance),
		"--dbname=" + postgres.Conninfo(m.leaderConnection(record.Address, cloneName)...),
	}
	if wal := layout.WALDirectory(); wal != "" {
		arguments = append(arguments, "--waldir="+wal)
	}
	if _, err := m.programs.Run(ctx, "pg_basebackup", arguments...); err != nil {
		return err
	}
	m.options.Step("clone: copied")
	control, err := m.programs.ControlData(ctx, layout.NewPGData())
	if err != nil {
		return err
	}
	if control.SystemIdentifier != record.System {
		return fmt.Errorf("the clone is of system %s, not of %s as the Lease says; it is thrown away", control.SystemIdentifier, record.System)
	}
	identity.System, identity.CloneComplete = record.System, true
	identity.See(record)
	if err := layout.SaveIdentity(identity); err != nil {
		return err
	}
	m.options.Step("clone: complete")
	return m.placeCloned(identity)
}

// awaitServer waits until the leader's server takes connections: it starts at about the same time as this clone does.
func awaitServer(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(naming.PortPostgres)))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the leader's server at %s is not reached: %w", address, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (m *Manager) placeCloned(identity volumes.Identity) error {
	if err := m.place(); err != nil {
		return err
	}
	identity.CloneComplete = false
	return m.options.Volumes.SaveIdentity(identity)
}
