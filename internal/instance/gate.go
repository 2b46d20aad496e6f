package instance

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/server"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instance/volumes"
	"github.com/timonier-io/timonier/internal/postgres"
)

// The gate is the service file, in which every walreceiver finds the leader when it connects. It needs nobody's cooperation:
// without the file none can connect, whatever the startup process is doing.

// attach opens the gate towards the holder.
func (m *Manager) attach(record election.Record) error {
	name := server.ApplicationName(m.options.Instance, m.contents.Identity.Incarnation, record.Term)
	content, err := postgres.ServiceFile("leader", m.leaderConnection(record.Address, name)...)
	if err != nil {
		return err
	}
	if err := volumes.WriteFile(m.options.serviceFile(), []byte(content), 0o600); err != nil {
		return fmt.Errorf("writing the service file: %w", err)
	}
	p := &m.process
	p.attached, p.attachedTo, p.attachedTerm, p.attachedAddress, p.replayedTimeline = true, record.Holder, record.Term, record.Address, 0
	p.cut, p.waits, p.streamedAt = false, time.Time{}, time.Time{}
	m.log.Info("following", "leader", record.Holder, "address", record.Address, "term", record.Term)
	return nil
}

// detach closes the gate, and ends the walreceiver that runs. done: none does, and none can connect. pg_terminate_backend refuses walreceivers.
func (m *Manager) detach() (done bool, err error) {
	if err := os.Remove(m.options.serviceFile()); err != nil && !os.IsNotExist(err) {
		return false, fmt.Errorf("removing the service file: %w", err)
	}
	p := &m.process
	was := p.attached
	if was {
		m.log.Info("detached", "from", p.attachedTo)
	}
	p.attached, p.attachedTo, p.attachedTerm, p.streamedTerm = false, "", 0, 0
	switch {
	case !p.running():
		return true, nil
	case p.observation == nil && was:
		return false, m.stop(supervisor.Immediate) // it cannot be asked for its walreceiver
	case p.observation == nil:
		return true, nil
	}
	m.endReceiver()
	return p.cut || p.observation.Receiver == 0, nil
}

// endReceiver ends the walreceiver, if there is one.
func (m *Manager) endReceiver() {
	if o := m.process.observation; o != nil && o.Receiver > 0 {
		_ = syscall.Kill(o.Receiver, syscall.SIGTERM) // gone already: as wanted
	}
}

// promotePatience is how long a server may go on in recovery after it was asked to end it, before it is asked again: the request may have failed.
const promotePatience = 2 * time.Second

// observeReplay finds out what a detached standby that has come to its end has replayed last, and helps one that cannot: queries of
// clients must not keep an election waiting. Once it is known it stays: nothing more can come.
func (m *Manager) observeReplay(ctx context.Context) error {
	p := &m.process
	o := p.observation
	if o != nil && o.InRecovery && p.promoting && time.Since(p.promoteAsked) > promotePatience {
		p.promoteAsked = time.Now()
		m.log.Warn("the end of recovery is asked for again")
		return m.sql.Promote(ctx)
	}
	if o != nil && o.Paused && !p.promoting && (!p.attached || m.handedTheLead(m.lastRecord())) {
		if err := m.resumeReplay(ctx); err != nil {
			return err
		}
	}
	if o == nil || !o.InRecovery || p.attached || p.promoting {
		p.cut, p.replayedTimeline = false, 0
		return nil
	}
	if o.Receiver == 0 {
		p.cut = true
	}
	if !p.cut || p.replayedTimeline != 0 {
		return nil
	}
	if votes := m.member().Promise >= m.lastRecord().Revision; votes && o.Blocked {
		m.log.Info("ending clients' sessions that keep replay waiting")
		return m.sql.TerminateClients(ctx)
	}
	if !m.cameToItsEnd() {
		return nil
	}
	timeline, err := m.sql.ReplayedTimeline(ctx)
	if err != nil {
		return err
	}
	beyond, err := m.historiesBeyond(timeline)
	if err != nil {
		return err
	}
	if len(beyond) > 0 {
		m.log.Warn("restarting postgres without the histories of timelines that its WAL has not reached", "timeline", timeline, "position", o.Replayed.String(), "histories", beyond)
		m.following.unreached = beyond
		return m.stop(supervisor.Fast)
	}
	p.replayedTimeline = timeline
	return nil
}

// resumeReplay where it is paused, by somebody or for a parameter that is lower than the leader's: this instance is to vote or to lead, or to follow
// somebody else, which it can only once it has replayed all it has.
func (m *Manager) resumeReplay(ctx context.Context) error {
	m.log.Warn("resuming replay, which was paused: this instance is needed to vote or to lead, or is to follow another leader")
	return m.sql.ResumeReplay(ctx)
}

// cameToItsEnd tells whether the startup process, from which the leader is cut off, has replayed all there is. It waits for its next try, and mostly that
// means so. But where a walreceiver ended within its interval after the last try, it waits before it reads what that one has left.
func (m *Manager) cameToItsEnd() bool {
	p := &m.process
	o := p.observation
	switch {
	case !o.Exhausted:
		return false
	case o.Replayed >= o.Received:
		return true
	case p.waits.IsZero() || p.waitsAt != o.Replayed:
		p.waits, p.waitsAt = time.Now(), o.Replayed
		return false
	}
	return time.Since(p.waits) > 2*postgres.WALRetrieveRetryInterval
}
