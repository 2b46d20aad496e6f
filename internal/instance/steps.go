package instance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
)

// carryOut does the one thing that a step says. done tells that something was done, so that the next step may be taken at once; a
// step that is not done yet is said again by the next turn.
func (m *Manager) carryOut(ctx context.Context, step election.Step) (done bool, err error) {
	switch {
	case m.process.stopping() && (m.handing == nil || !m.handing.asked):
		return false, m.pressOn()
	case m.ending && (step.Verb == election.StartStandby || step.Verb == election.StartPrimary):
		m.giveHandoverUp("this instance is to end")
		return false, nil
	}
	switch step.Verb {
	case election.Rest, election.Wait:
		return false, nil
	case election.Initialise, election.Finish, election.Clone, election.Rewind, election.FindEnd, election.MakePromise, election.Disclaim:
		return m.carryOutOnVolumes(ctx, step)
	case election.ReadLease:
		m.askLease()
		return false, m.moveDoorMeanwhile(ctx, election.Record{})
	case election.WriteLease:
		return false, errors.Join(m.writeRecord(m.completed(step)), m.moveDoorMeanwhile(ctx, step.Record))
	case election.Stop:
		return true, m.stopAtOnce(step)
	case election.StartStandby:
		return m.startStandby(ctx)
	case election.StartPrimary:
		return m.startServer(ctx, false)
	case election.Attach:
		return true, m.attach(m.lastRecord())
	case election.Detach:
		return m.detach()
	case election.Tell:
		return true, m.tellQuorum(step.Quorum, step.Term)
	default:
		if m.process.observation == nil {
			return false, nil // what is left needs a server that answers
		}
		return m.carryOutInServer(ctx, step.Verb)
	}
}

func (m *Manager) carryOutOnVolumes(ctx context.Context, step election.Step) (done bool, err error) {
	switch step.Verb {
	case election.Initialise:
		return false, m.initialise(ctx)
	case election.Finish:
		return true, m.finish()
	case election.Clone:
		return false, m.clone(ctx)
	case election.Rewind:
		return false, m.rewind()
	case election.FindEnd:
		m.findEnd()
		return false, nil
	case election.MakePromise:
		return true, m.makePromise(step.Revision)
	case election.Disclaim:
		return true, m.disclaim(step.Message)
	default:
		return false, fmt.Errorf("no such verb: %q", step.Verb)
	}
}

func (m *Manager) carryOutInServer(ctx context.Context, verb election.Verb) (done bool, err error) {
	switch verb {
	case election.CloseDoor:
		return m.closeDoor(ctx)
	case election.OpenDoor:
		return m.openDoor(ctx)
	case election.EndRecovery:
		return m.endRecovery(ctx)
	case election.Checkpoint:
		return m.checkpointed(ctx)
	case election.MakeEffective:
		return m.makeEffective(ctx)
	case election.StopForHandover:
		return m.stopForHandover(ctx)
	default:
		return false, fmt.Errorf("no such verb: %q", verb)
	}
}

func (m *Manager) startStandby(ctx context.Context) (done bool, err error) {
	if m.writes.Broken(time.Now()) >= stalledAfter && m.lastRecord().Holder != m.options.Instance {
		// It has given the Lease up for that, and would be elected again where commits waited for nobody: it is ahead of all others.
		return false, errors.New("a write to its volumes has not come back, or not well: its server is started once one has")
	}
	if m.leavesRoom() {
		return false, nil
	}
	return m.startServer(ctx, true)
}

// startServer on what is on disk: a standby without a walreceiver, or a primary without clients.
func (m *Manager) startServer(ctx context.Context, standby bool) (done bool, err error) {
	record := m.lastRecord()
	missing := record.Holder == "" || m.doubt.cause != ""
	if m.contents.Identity.Rewound != 0 && record.Holder == "" {
		return false, fmt.Errorf("this copy was rewound, and needs WAL of a leader before it can serve; it is started when somebody leads")
	}
	if m.following.refused != "" && m.useless() == "" && missing {
		// Its vote may be needed, and what it holds: that it is to be cloned again can wait.
		m.log.Warn("it is not cloned again while nobody leads", "why", m.following.refused)
		m.following.refused = ""
	}
	if why := m.useless(); why != "" && m.following.refused == "" && !m.cloneAgain(why) {
		return false, fmt.Errorf("%s, and this copy was cloned %d times within an hour, so it is not cloned again before that hour is over", why, clonesPerHour)
	}
	if m.following.refused != "" {
		return false, m.clone(ctx)
	}
	if m.following.diverged && standby && record.Holder != "" && record.Holder != m.options.Instance {
		return false, m.rewind()
	}
	if ready, err := m.readyToStart(ctx); err != nil || !ready {
		return false, err
	}
	if err := m.prepareFiles(standby, false); err != nil {
		return false, err
	}
	if err := m.removeUnreached(); err != nil {
		return false, err
	}
	if err := m.removePlaceholders(); err != nil {
		return false, err
	}
	if _, err := m.detach(); err != nil {
		return false, err
	}
	m.giveHandoverUp("postgres is started again")
	m.following.diverged = false
	return true, m.start(!standby)
}

// stopReplaced is what the rule one_primary_at_a_time does, which is decided later in this turn.
func (m *Manager) stopReplaced(record election.Record) {
	step := election.Step{Verb: election.Stop, Rule: "one_primary_at_a_time", Message: fmt.Sprintf("%s holds the Lease in term %d", record.Holder, record.Term)}
	if err := m.stopAtOnce(step); err != nil {
		m.hold("stopping postgres", err)
	}
}

// stopAtOnce ends the server without waiting for anybody. A standby is stopped with a checkpoint, which waits for nobody either, unless it does
// not come to an end.
func (m *Manager) stopAtOnce(step election.Step) error {
	mode := supervisor.Immediate
	if !m.process.primary {
		mode = supervisor.Fast
	}
	if p := m.process.postmaster; p != nil && p.Asked() < mode {
		m.log.Warn("stopping postgres at once", "rule", step.Rule, "why", joined(step.Message, m.leaving))
		if m.process.primary && m.handing == nil { // what still runs of a server that has handed over keeps nobody safe by its end
			m.measures.FencingStops.Add(step.Rule)
		}
	}
	m.publisher.Publish(nil)
	return m.stop(mode)
}

// makePromise writes the vote down before anybody is told of it.
func (m *Manager) makePromise(revision int64) error {
	identity := &m.contents.Identity
	identity.Promise = revision
	m.options.Step("promise: begin")
	if err := m.saveIdentity(*identity); err != nil {
		identity.Promise = 0 // what may be on disk binds after a restart; until then nobody was told
		return err
	}
	if m.lease.record.Holder != m.options.Instance {
		m.measures.Votes.Add()
		m.takesPart()
	}
	m.log.Info("voting", "revision", revision, "cause", m.doubt.cause, "position", m.reaches().String())
	return nil
}

// completed is the record of a step with what only its writer knows.
func (m *Manager) completed(step election.Step) election.Record {
	before, record := m.lastRecord(), m.addressed(step.Record)
	if record.Term == before.Term || record.Holder != m.options.Instance {
		return record
	}
	record.History = record.History[max(0, len(record.History)-historyKept):]
	if before.Holder == m.options.Instance && before.LastFailover != nil || step.Rule == "leader_writes_its_record_again" {
		return record // the same leader, under another number
	}
	cause, from := m.takeoverCause(before)
	if step.Rule == "forced_member_leads_alone" {
		cause = election.CauseForced
	}
	since := m.doubt.since
	if since.IsZero() {
		since = time.Now() // nobody was suspected: there was no leader
	}
	record.LastFailover = &election.Failover{From: from, To: record.Holder, Cause: cause, SuspectedAt: since.UTC().Truncate(time.Millisecond)}
	return record
}

// takeoverCause is why somebody else is to lead than by this record, and who led.
func (m *Manager) takeoverCause(before election.Record) (cause, from string) {
	cause, from = m.doubt.cause, before.Holder
	if from == "" {
		cause, from = election.CauseReleased, before.Quorum.Members[before.HolderIncarnation]
	}
	if before.Handover == m.options.Instance {
		cause = election.CauseHandover
	}
	return cause, from
}
