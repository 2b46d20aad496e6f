package instance

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/server"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
)

const (
	// questionPatience is how long the server may take to say what it is doing.
	questionPatience = 2 * time.Second
	// stopPatience is how long a fast stop in the middle of operation may take before it becomes an immediate one.
	stopPatience = 60 * time.Second
	// steadyAfter is how long a server must have run for its next end to be the first in a row.
	steadyAfter = time.Minute
)

// process is the server's process, and what this manager has done with it.
type process struct {
	postmaster *supervisor.Postmaster
	// primary: it was started as one, or promoted.
	primary bool
	// attached: its walreceiver finds the leader in the service file, who was at that address.
	attached                    bool
	attachedTo, attachedAddress string
	// attachedTerm is the one in which that was decided, streamedTerm the one whose timeline it was seen to receive since.
	attachedTerm, streamedTerm int64
	// streamedAt is when it last streamed since it was attached.
	streamedAt time.Time
	// door: pg_hba.conf admits clients. open: that is in force, or some are still in.
	door, open bool
	// authenticating are the processes of which PostgreSQL did not tell when the door had been closed, nil before that was looked at.
	authenticating map[int]bool
	// cut: it was seen without a walreceiver since the gate was closed, so no other can connect.
	cut bool
	// waits is since when its startup process was seen to wait with less replayed than was received, and waitsAt up to where it had replayed then.
	waits   time.Time
	waitsAt postgres.LSN
	// replayedTimeline of a detached standby that has come to its end; 0 where it is not known.
	replayedTimeline int64
	// opensAt is how much WAL was on disk when it was first seen to be primary.
	opensAt postgres.LSN
	// enforced tells what has become of the quorum that it was told.
	enforced enforced
	// shutDown: pg_control says so, whatever of the server still runs; its last record begins there.
	shutDown   bool
	shutDownAt postgres.LSN
	// checkpoint that is under way beside the loop; nil for none.
	checkpoint chan error
	// accepted: it has accepted a connection since it started.
	accepted    bool
	observation *server.Observation
	// answeredAt is when it last said what it is doing.
	answeredAt time.Time
	// startedWith is the revision of the configuration that it started with.
	startedWith string
	// files are the configuration files as they were written last, by name, and when.
	files   map[string]string
	filesAt time.Time
	// renewed, roles: steps before a primary opens.
	renewed, roles bool
	// promoting: from the request to end recovery until it has ended.
	promoting bool
	// promoteAsked last, and first.
	promoteAsked, promoteBegan time.Time
	stopAsked                  time.Time

	// failures in a row, and when the next start may be tried.
	failures  int
	notBefore time.Time
	// restarting on request, until the server accepts connections again.
	restarting   bool
	restartAsked time.Time
	pending      []string // parameters that wait for a restart
	pendingAt    time.Time
}

// silentFailures is how often in a row a server must end without a reason before its configuration is held to be one, as where it takes more memory
// than there is. Once may be anybody's doing.
const silentFailures = 3

func (p *process) running() bool { return p.postmaster != nil }

// ended is closed when the server ends; nil, which never is, without one.
func (p *process) ended() <-chan struct{} {
	if p.postmaster == nil {
		return nil
	}
	return p.postmaster.Ended()
}

// reconnects tells that it follows, and does not stream at the moment: as when a leader has changed what commits wait for, and ends every walsender for that.
func (p *process) reconnects() bool {
	return p.attached && p.observation != nil && !p.observation.Streaming && time.Since(p.streamedAt) < reconnectPatience
}

func (p *process) stopping() bool { return p.postmaster != nil && p.postmaster.Asked() != 0 }

// killed: it is as good as gone, though the kernel may keep it for as long as it waits for a disk.
func (p *process) killed() bool { return p.running() && p.postmaster.Asked() == supervisor.Kill }

// serves tells that clients are let in: that is in force, and goes on.
func (p *process) serves() bool { return p.open && p.door }

// inTransition tells that something is under way of which no event tells.
func (p *process) inTransition() bool {
	return p.running() && (p.observation == nil || !p.serves() || p.promoting || p.stopping())
}

// start starts the server on PGDATA, whose files the caller has written.
func (m *Manager) start(primary bool) error {
	if time.Now().Before(m.process.notBefore) {
		// Without the seconds that are left: what stays the same is logged once.
		return fmt.Errorf("postgres ended %d times in a row, and is started again after %s: %s",
			m.process.failures, backOff(m.process.failures), m.fatal.last())
	}
	if killed := supervisor.KillOrphans(); len(killed) > 0 {
		m.log.Warn("killed what was left of the server before", "processes", killed)
		return fmt.Errorf("%d processes of the server before are left, and are killed", len(killed)) // once they are gone
	}
	if err := supervisor.RemoveStaleLocks(m.options.Volumes.PGData(), m.options.socketDirectory(), naming.PortPostgres); err != nil {
		return err
	}
	output, err := m.stream.OpenOutput()
	if err != nil {
		return err
	}
	defer func() { _ = output.Close() }() // postgres has its own descriptor
	m.fatal.forget()
	// Without a context: the server outlives every turn, and is stopped by Stop alone.
	cmd := exec.CommandContext(context.Background(), m.programs.Path("postgres"), "-D", m.options.Volumes.PGData())
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = m.programs.Environment, m.options.Volumes.PGData(), output, output
	postmaster, err := m.children.StartPostmaster(cmd, time.Now())
	if err != nil {
		return err
	}
	m.process = process{
		postmaster: postmaster, primary: primary, files: m.process.files, filesAt: m.process.filesAt,
		startedWith: m.configuration.revision(), failures: m.process.failures, restarting: m.process.restarting, restartAsked: m.process.restartAsked,
	}
	if primary {
		m.compared = comparison{}
	}
	m.log.Info("postgres started", "pid", postmaster.PID, "primary", primary, "configuration", m.process.startedWith)
	return nil
}

// noticeEnd looks whether the server has ended, and decides when it may be started again.
func (m *Manager) noticeEnd() {
	p := &m.process
	if p.postmaster == nil || !p.postmaster.HasEnded() {
		return
	}
	m.sql.Close()
	m.metrics.Close()
	m.inspected, m.endedAt = false, time.Now()
	m.publisher.Publish(nil)
	asked, exit := p.postmaster.Asked(), p.postmaster.Exit()
	next := process{files: p.files, filesAt: p.filesAt, restarting: p.restarting, restartAsked: p.restartAsked}
	m.reach.forget()
	if p.stopAsked.IsZero() { // by itself, or by the watchdog, of which the loop knows nothing
		next.failures, next.notBefore = m.noticeFailure(asked, exit)
	} else {
		m.log.Info("postgres stopped", "exit", exit, "mode", asked.String())
	}
	*p = next
}

// noticeFailure of a server that ended without having been asked to by the loop: how many there were in a row, and when it may be started again.
func (m *Manager) noticeFailure(asked supervisor.Mode, exit string) (failures int, notBefore time.Time) {
	p := &m.process
	failures = p.failures + 1
	if time.Since(p.postmaster.StartedAt) > steadyAfter {
		failures = 1
	}
	what := "postgres ended by itself"
	if asked == supervisor.Kill {
		what = "postgres was killed by the watchdog"
	}
	m.log.Error(what, "exit", exit, "reason", m.fatal.last(), "failures", failures)
	// Where commits wait for nobody, a start in place loses nothing, and another one might.
	waits := m.lastRecord().Quorum.Mode == election.ModeQuorum
	if p.primary && m.leading.record != nil && waits && (m.eligible() || m.streamed()) {
		m.leaving = what + ", and another instance can lead at once"
	}
	if asked == 0 && !p.accepted && (m.fatal.said() || failures >= silentFailures) {
		m.configurationFailed(p.startedWith, fmt.Sprintf("%s (%s)", m.fatal.last(), exit))
	}
	return failures, time.Now().Add(backOff(failures))
}

// backOff before the n-th start in a row. It never gives up: what keeps a server from starting may be put right from outside.
func backOff(failures int) time.Duration {
	switch {
	case failures <= 1:
		return 0
	case failures <= 5:
		return time.Second << (failures - 2)
	}
	return 10 * time.Second
}

// stop asks for a stop; pressOn sees it through.
func (m *Manager) stop(mode supervisor.Mode) error {
	p := &m.process
	if !p.running() {
		return nil
	}
	if p.stopAsked.IsZero() {
		p.stopAsked = time.Now()
	}
	m.sql.Close() // the kept session must not be what a stop waits for
	p.observation = nil
	return p.postmaster.Stop(mode)
}

// pressOn makes a stop harder that takes too long.
func (m *Manager) pressOn() error {
	p := &m.process
	waited := time.Since(p.stopAsked)
	switch {
	case waited > stopPatience+10*time.Second:
		return p.postmaster.Stop(supervisor.Kill)
	case waited > stopPatience:
		return p.postmaster.Stop(supervisor.Immediate)
	}
	return nil
}

// shutDown ends the server within the pod's grace period, and with it PID 1. The Lease stays: whoever starts next over this volume leads again.
func (m *Manager) shutDown() error {
	m.log.Info("stopping", "postgres", m.process.running())
	m.step.Verb = stoppingVerb
	m.publisher.Publish(nil)
	m.publish()
	m.led.Store(nil) // the loop turns no more, and a last checkpoint keeps the disk busy
	if m.process.running() {
		end := time.Now().Add(m.options.StopTimeout)
		for _, step := range []struct {
			mode  supervisor.Mode
			until time.Time
		}{
			{supervisor.Fast, end.Add(-10 * time.Second)}, {supervisor.Immediate, end.Add(-3 * time.Second)}, {supervisor.Kill, end},
		} {
			if err := m.stop(step.mode); err != nil {
				m.log.Error("postgres cannot be stopped", "mode", step.mode.String(), "error", err.Error())
			}
			select {
			case <-m.process.ended():
			case <-time.After(time.Until(step.until)):
				continue
			}
			break
		}
		m.noticeEnd()
	}
	m.log.Info("stopped")
	m.sink.Flush(time.Second)
	return nil
}

// observeServer asks the server what it is doing, as soon as it accepts connections.
func (m *Manager) observeServer(ctx context.Context) error {
	p := &m.process
	if !p.running() || p.stopping() {
		return nil
	}
	if !p.accepted && !supervisor.Accepting(m.options.Volumes.PGData(), p.postmaster.PID) {
		return m.checkStart()
	}
	ctx, cancel := context.WithTimeout(ctx, questionPatience)
	defer cancel()
	observation, err := m.sql.Observe(ctx)
	if err != nil {
		return err
	}
	if !p.accepted {
		if err := m.firstAnswer(observation); err != nil {
			return err
		}
	}
	p.observation, p.answeredAt = m.toldApart(observation), time.Now()
	if p.promoting && !p.primary && !observation.InRecovery {
		p.primary, p.promoting, p.replayedTimeline = true, false, 0
		m.log.Info("promoted", "timeline", observation.Timeline)
	}
	if record := m.lastRecord(); observation.Streaming && observation.ReceivedTimeline == record.Timeline && p.attachedTerm == record.Term {
		p.streamedTerm, p.streamedAt = record.Term, time.Now()
	}
	if p.primary && !observation.InRecovery {
		if p.opensAt == 0 {
			p.opensAt = observation.Flushed
		}
		m.reach.note(m.turnTime(), observation.Flushed, m.lastRecord().Term, p.observation.Replicas)
	}
	if time.Since(p.pendingAt) > 5*time.Second {
		if p.pending, err = m.sql.PendingRestart(ctx); err != nil {
			return err
		}
		p.pendingAt = time.Now()
	}
	return nil
}

// firstAnswer of a server since it started.
func (m *Manager) firstAnswer(observation server.Observation) error {
	p := &m.process
	if identity := &m.contents.Identity; identity.Rewound != 0 {
		rewound := identity.Rewound
		identity.Rewound = 0
		if err := m.saveIdentity(*identity); err != nil {
			identity.Rewound = rewound
			return err
		}
	}
	p.accepted, p.failures, p.restarting = true, 0, false
	m.leaving = "" // it was started in place after all, since the API did not answer
	m.configuration.cameUp(p.startedWith)
	m.log.Info("postgres accepts connections", "afterMilliseconds", time.Since(p.postmaster.StartedAt).Milliseconds(), "inRecovery", observation.InRecovery)
	return nil
}

// openMetrics connects for the metrics before clients take all connections that there are.
func (m *Manager) openMetrics() {
	ctx, cancel := context.WithTimeout(context.Background(), questionPatience)
	defer cancel()
	if err := m.metrics.Open(ctx); err != nil {
		m.log.Warn("metrics have no connection yet", "error", err.Error())
	}
}

// startPatience is how long a server that starts may say nothing at all. In recovery it tells of its progress every ten seconds.
const startPatience = time.Minute

// checkStart gives a configuration up that the server does not come up with, neither ending nor saying anything.
func (m *Manager) checkStart() error {
	p := &m.process
	silent := time.Since(m.stream.LastActivity())
	if silent < startPatience || time.Since(p.postmaster.StartedAt) < startPatience || !m.configuration.onTrial() {
		return nil
	}
	m.configurationFailed(p.startedWith, fmt.Sprintf("postgres did not accept connections and has said nothing for %d s", int(silent.Seconds())))
	return m.stop(supervisor.Immediate)
}
