package instance

import (
	"errors"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/api"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// stoppingVerb stands in for a step once PID 1 was asked to end.
const stoppingVerb election.Verb = "Stopping"

// publish makes a status of what the loop knows now.
func (m *Manager) publish() {
	status := instanceapi.Status{
		Instance: m.options.Instance, Cluster: m.options.Cluster, Namespace: m.options.Namespace,
		Address: m.options.PodIP, Node: m.options.Node,
		Volume:                m.volumeReport(),
		Manager:               instanceapi.Manager{Version: m.options.Version, Hash: m.hash, StartedAt: m.startedAt},
		Postgres:              m.postgresStatus(),
		ConfigurationRevision: m.configuration.revision(),
		Rejected:              m.configuration.rejection(),
		Certificates:          m.certificates.Report(),
		CancelledWaits:        m.cancelledWaits(),
	}
	status.State, status.WaitReason, status.Message = m.state()
	if m.lease.absent && m.step.WaitReason != instanceapi.WaitLease {
		status.Message = joined(status.Message, noLease)
	}
	o := m.process.observation
	serving := o != nil && m.process.serves() && !m.process.stopping() && m.step.Verb != stoppingVerb
	status.Ready = serving
	status.Leader = serving && m.process.primary && !o.InRecovery && m.leading.record != nil
	if status.Leader {
		status.SynchronousCommitOverrides = m.overrides.Load()
	}
	m.unfed.Store(m.following.lacksWAL(unreadyUnfed))
	m.published.Store(&status)
	m.publishHeartbeat()
	m.publishState()
}

// state is what the instance is doing, in one word, for what it waits, and a message for people.
func (m *Manager) state() (instanceapi.State, instanceapi.WaitReason, string) {
	p := &m.process
	switch {
	case m.step.Verb == stoppingVerb:
		return instanceapi.StateStopping, "", ""
	case m.job != nil:
		return m.job.state, m.job.reason, m.job.message
	case p.stopping() && !p.restarting:
		return instanceapi.StateStopping, "", m.problem
	case p.restarting:
		return instanceapi.StateRestarting, "", m.problem
	case p.running() && p.observation == nil:
		return instanceapi.StateRecovering, "", m.problem
	case p.running() && p.primary && p.open:
		return instanceapi.StateRunning, "", joined(m.step.Message, m.problem) // as that the Lease is lost, and why it is not written again
	case p.running() && p.primary, p.promoting:
		return instanceapi.StateRecovering, "", joined(m.step.Message, m.problem)
	case p.running() && p.attached && !m.following.replaying.idles(tellsUnfed) && (p.observation.Streaming || p.reconnects()):
		return instanceapi.StateStreaming, "", m.problem
	case p.running() && m.following.gaveUp:
		return instanceapi.StateFollowing, instanceapi.WaitFollow, m.problem
	case p.running() && m.following.needed:
		return instanceapi.StateFollowing, instanceapi.WaitIrreparable, m.problem
	case p.running() && m.step.WaitReason == "" && (m.following.lacksWAL(tellsUnfed) || m.following.replaying.idles(tellsUnfed)):
		return instanceapi.StateFollowing, instanceapi.WaitFollow, joined(m.step.Message, m.problem)
	case p.running():
		return instanceapi.StateFollowing, m.step.WaitReason, joined(m.step.Message, m.problem)
	case m.step.Verb == election.Wait:
		return instanceapi.StateWaiting, m.step.WaitReason, m.step.Message
	case m.following.gaveUp && m.following.refused == "" && m.useless() != "":
		return instanceapi.StateWaiting, instanceapi.WaitFollow, joined(m.step.Message, m.problem)
	case p.failures > 0:
		return instanceapi.StateFailed, "", joined("PostgreSQL ended by itself: "+m.fatal.last()+"; it is started again", m.problem)
	}
	return instanceapi.StateStarting, "", joined(m.step.Message, m.problem)
}

func joined(first, second string) string {
	if first == "" || second == "" {
		return first + second
	}
	return first + "; " + second
}

func (m *Manager) postgresStatus() *instanceapi.Postgres {
	p := &m.process
	if !p.running() {
		return nil
	}
	status := &instanceapi.Postgres{PID: p.postmaster.PID, StartedAt: p.postmaster.StartedAt, Version: m.version, PendingRestart: p.pending}
	o := p.observation
	if o == nil {
		status.InRecovery = true
		return status
	}
	status.InRecovery, status.Timeline, status.Position = o.InRecovery, o.Timeline, m.position().String()
	status.StandbySensitive = o.StandbySensitive
	if o.InRecovery {
		status.ReplayPosition = o.Replayed.String()
	}
	for _, replica := range o.Replicas {
		status.Replicas = append(status.Replicas, instanceapi.Replica{
			Instance: replica.Instance, Incarnation: replica.Incarnation, State: replica.State,
			Flushed: replica.Flushed.String(), Replayed: replica.Replayed.String(), LagBytes: m.position().Sub(replica.Flushed),
		})
	}
	return status
}

// stuckAfter is how long the loop may not turn before the kubelet is told. It never waits for the Kubernetes API or for a new
// connection to the server longer than their time-outs, all of them together less than this.
const stuckAfter = 45 * time.Second

func (m *Manager) live() (bool, string) {
	since := time.Since(m.turnTime())
	if since > stuckAfter {
		return false, "the instance manager's loop has not turned for " + since.Round(time.Second).String()
	}
	return true, "ok"
}

func (m *Manager) ready() (bool, string) {
	status := m.Status()
	return status.Ready && !m.unfed.Load(), joined(string(status.State), status.Message)
}

func (m *Manager) started() (bool, string) {
	status := m.Status()
	return status.State != instanceapi.StateStarting, string(status.State)
}

// turnTime is now, as the loop sees it.
func (m *Manager) turnTime() time.Time { return m.startedAt.Add(time.Duration(m.turnedAt.Load())) }

func asRefusal(err error) (*api.RefusalError, bool) {
	var refusal *api.RefusalError
	return refusal, errors.As(err, &refusal)
}
