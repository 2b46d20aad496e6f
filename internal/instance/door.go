package instance

import (
	"context"
	"strings"
	"syscall"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
)

// openDoor lets clients in. A primary has Timonier's own roles and the members' slots before.
func (m *Manager) openDoor(ctx context.Context) (done bool, err error) {
	p := &m.process
	if record := m.lastRecord(); p.primary && record.Quorum.Mode == election.ModeAsynchronous && !p.renewed && m.reprieved(record).Before(p.postmaster.StartedAt) {
		// Nobody else is asked in this mode: the Lease has to say so itself, or all members, since the server started.
		return false, m.writeRecord(m.renewal())
	}
	if p.primary && !p.roles {
		// Slots first: once the role exists, clones come.
		if err := m.keepSlots(ctx); err != nil {
			return false, err
		}
		if err := m.sql.EnsureOwnRoles(ctx); err != nil {
			return false, err
		}
		p.roles = true
	}
	if inForce, err := m.setDoor(ctx, true); err != nil || !inForce {
		return false, err
	}
	p.open = true
	go m.openMetrics()
	if p.primary {
		m.leading.openedAt = time.Now() // the Lease tells it to people, by their clock
		m.measureOpening()
		m.log.Info("open for clients", "term", m.lastRecord().Term, "timeline", p.observation.Timeline, "position", p.observation.Inserted.String())
	}
	return true, nil
}

// closeDoor keeps clients out, and ends those that are in: sessions of a standby would go on over a promotion, then able to write. Whoever is still
// authenticating, and has passed the former pg_hba.conf, comes first: from then on PostgreSQL tells of him.
func (m *Manager) closeDoor(ctx context.Context) (done bool, err error) {
	if inForce, err := m.setDoor(ctx, false); err != nil || !inForce {
		return false, err
	}
	if left, err := m.endAuthenticating(ctx); err != nil || left > 0 {
		return false, err
	}
	sessions, err := m.sql.ClientSessions(ctx)
	if err != nil {
		return false, err
	}
	if sessions > 0 {
		return false, m.sql.TerminateClients(ctx)
	}
	m.process.open = false
	return true, nil
}

// moveDoorMeanwhile closes the door of a standby while the API server writes that it leads: it has to before it is promoted. Where somebody else was faster it
// is opened again; and where the API server does not answer, so that nobody can be elected, readers are served meanwhile.
func (m *Manager) moveDoorMeanwhile(ctx context.Context, record election.Record) (err error) {
	p := &m.process
	if p.primary || p.observation == nil || m.lastRecord().Holder == m.options.Instance {
		return nil
	}
	silent := m.apiFailed.After(m.apiAnswered)
	switch {
	case silent && !p.serves():
		_, err = m.openDoor(ctx)
	case !silent && record.Holder == m.options.Instance && (p.open || p.door):
		_, err = m.closeDoor(ctx)
	}
	return err
}

// endAuthenticating ends the sessions of which PostgreSQL does not tell yet, and that were there when the door had just been closed, and counts those that are
// left. Who comes later has met the new pg_hba.conf. What else PostgreSQL does not tell of, as a worker that begins, is begun again.
func (m *Manager) endAuthenticating(ctx context.Context) (left int, err error) {
	p := &m.process
	children := supervisor.ChildrenOf(p.postmaster.PID) // before PostgreSQL is asked, so that nobody is taken for unknown who has only just gone
	known, err := m.sql.Processes(ctx)
	if err != nil {
		return 0, err
	}
	if p.authenticating == nil {
		p.authenticating = map[int]bool{}
		for pid, title := range children {
			// A session of this program that is idle has authenticated, and ends just now.
			if !known[pid] && !strings.HasSuffix(title, ": logger") && !strings.HasSuffix(title, " [local] idle") {
				p.authenticating[pid] = true
				m.log.Info("ending what has not authenticated yet", "process", title)
			}
		}
	}
	for pid := range p.authenticating {
		if _, lives := children[pid]; !lives || known[pid] {
			delete(p.authenticating, pid) // it has ended, or PostgreSQL tells of it now
			continue
		}
		_ = syscall.Kill(pid, syscall.SIGTERM) // it may have ended just now: as wanted
	}
	return len(p.authenticating), nil
}

const (
	// proxiesPatience is how long the nodes' proxies may take to lead clients to a new leader once it is open: kube-proxy collects changes for a second.
	proxiesPatience = 1500 * time.Millisecond
	// ledAstray is how long one that led before keeps clients out, or alive for them, at most: its successor may be slow, or never open.
	ledAstray = 10 * time.Second
)

// keepsOut tells whether no client is to be in, though this instance follows: a leader that hands over to it is about to stop, or clients who look for the
// leader still come here, and would stay in a session in which they cannot write.
func (m *Manager) keepsOut(record election.Record) bool {
	if m.handedTheLead(record) {
		return true
	}
	p := &m.process
	return p.running() && !p.open && time.Since(p.postmaster.StartedAt) < ledAstray && m.stillSought(record)
}

// handedTheLead tells whether the leader says that it hands over to this instance.
func (m *Manager) handedTheLead(record election.Record) bool {
	leader, heard := m.peers.Beat(record.Holder)
	return heard && m.fresh(leader) && leader.HandsOver == m.options.Instance
}

// stillSought tells whether clients who look for the leader may still be led to this instance, which led before.
func (m *Manager) stillSought(record election.Record) bool {
	if record.Holder == "" {
		return record.HolderIncarnation != "" && record.HolderIncarnation == m.contents.Identity.Incarnation
	}
	last := record.LastFailover
	if last == nil || last.From != m.options.Instance || record.Holder == m.options.Instance {
		return false
	}
	return last.OpenedAt.IsZero() || m.turnTime().Sub(m.following.leaderOpenSince) < proxiesPatience
}

// noticeOpening notes when this program first read that the present leader has let clients in.
func (m *Manager) noticeOpening(record election.Record) {
	f := &m.following
	opened := record.LastFailover != nil && !record.LastFailover.OpenedAt.IsZero()
	if opened && f.leaderOpenTerm != record.Term {
		f.leaderOpenTerm, f.leaderOpenSince = record.Term, m.turnTime()
	}
}

// setDoor writes pg_hba.conf and tells whether that is in force.
func (m *Manager) setDoor(ctx context.Context, open bool) (inForce bool, err error) {
	p := &m.process
	if p.door != open {
		p.authenticating = nil
	}
	p.door = open
	if err := m.syncFiles(); err != nil {
		return false, err
	}
	loaded, err := m.sql.LoadedAt(ctx)
	return err == nil && !loaded.Before(p.filesAt), err
}
