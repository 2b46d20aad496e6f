package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/logs"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

// How often the loop turns by itself: when nothing happens, and while something is under way that no event tells of.
const (
	idleTurn = time.Second
	busyTurn = 50 * time.Millisecond
)

// certificatesEvery is how often the mounted Secret is looked at.
const certificatesEvery = 5 * time.Second

// Run does the work of PID 1 until the context ends, and then stops the server.
func (m *Manager) Run(ctx context.Context) error {
	handover, err := m.readHandover()
	if err != nil {
		m.log.Error("the state of the program before this one is lost", "error", err.Error())
	}
	if err := m.openLogs(handover); err != nil {
		return err
	}
	m.adopt(handover)
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	m.refreshCertificates()
	servers, err := m.serve()
	if err != nil {
		return err
	}
	defer servers.close()
	go m.publisher.Run(background)
	go m.watchLease(background)
	m.log.Info("instance manager started", "instance", m.options.Instance, "version", m.options.Version)

	childEnded := make(chan os.Signal, 8)
	signal.Notify(childEnded, syscall.SIGCHLD)
	certificates := time.NewTicker(certificatesEvery)
	defer certificates.Stop()
	for {
		m.turn(ctx)
		select {
		case <-ctx.Done():
			return m.shutDown()
		case command := <-m.commands:
			command()
		case <-childEnded:
			m.children.Reap()
		case <-certificates.C:
			m.refreshCertificates()
			m.children.Reap()
		case <-m.process.ended():
		case <-m.wakeUp:
		case <-time.After(m.untilNextTurn()):
		}
	}
}

func (m *Manager) untilNextTurn() time.Duration {
	if m.job != nil {
		return busyTurn
	}
	if o := m.process.observation; o != nil && o.Exhausted && !m.process.attached && m.decision.Action != election.Promote {
		return idleTurn // detached at the end of its WAL, perhaps for hours
	}
	if m.process.inTransition() {
		return busyTurn
	}
	return idleTurn
}

// turn is one round: observe, decide, act, report.
func (m *Manager) turn(ctx context.Context) {
	m.turnedAt.Store(time.Now().UnixNano())
	defer m.publish()
	defer m.surviveBug()
	m.problem = ""
	m.noticeEnd()
	m.noticeJob()
	if m.job != nil {
		return
	}
	if err := m.observe(ctx); err != nil {
		m.hold("observing", err)
		return
	}
	decision := election.Decide(m.observation())
	m.story(decision)
	m.decision = decision
	if err := m.act(ctx, decision); err != nil {
		m.hold(string(decision.Action), err)
	}
}

// surviveBug keeps a bug in a turn from ending PID 1, and with it the database. The next turn looks at everything again.
func (m *Manager) surviveBug() {
	if bug := recover(); bug != nil {
		m.problem = fmt.Sprintf("a bug of the instance manager: %v; please report it with the log", bug)
		m.log.Error("a turn of the loop ended in a bug; going on", "bug", fmt.Sprint(bug), "stack", string(debug.Stack()))
	}
}

// act carries one step of a decision out. What keeps it from going on is m.problem or an error; the next turn tries again.
func (m *Manager) act(ctx context.Context, decision election.Decision) error {
	if m.process.stopping() {
		return m.pressOn()
	}
	switch decision.Action {
	case election.Keep:
		return m.keep(ctx)
	case election.Wait:
		return m.wait()
	case election.Initialise:
		return m.initialise(ctx)
	case election.Finish:
		return m.finish()
	case election.Clone:
		return m.clone(ctx)
	case election.Follow:
		return m.follow(ctx)
	case election.Measure:
		return m.measure(ctx)
	case election.Take, election.Republish:
		return m.writeRecord(ctx, m.addressed(*decision.Record))
	case election.Lead:
		return m.lead(ctx)
	case election.Promote:
		return m.promote(ctx)
	case election.StopAtOnce:
		return m.stopAtOnce(decision.Message)
	}
	return fmt.Errorf("no such action: %q", decision.Action)
}

// hold notes an error for the status, and logs it once while it stays the same.
func (m *Manager) hold(doing string, err error) {
	text := err.Error()
	if errors.Is(err, context.Canceled) {
		return
	}
	if previous := m.published.Load(); previous == nil || previous.Message != text {
		m.log.Warn("not done, trying again", "doing", doing, "error", text)
	}
	m.problem = text
}

// story logs a decision that differs from the one before: read together, these lines tell what happened.
func (m *Manager) story(decision election.Decision) {
	if decision.Action == m.decision.Action && decision.Rule == m.decision.Rule && decision.Message == m.decision.Message {
		return
	}
	record := m.lease.record
	m.log.Info("decision", "action", string(decision.Action), "rule", decision.Rule, "message", decision.Message,
		"holder", record.Holder, "term", record.Term, "revision", record.Revision, "timeline", record.Timeline)
}

// wait lets nothing be started. A server that runs goes on: only StopAtOnce ends one.
func (m *Manager) wait() error {
	m.publisher.Publish(nil)
	return nil
}

// keep goes on as before, without the Lease.
func (m *Manager) keep(ctx context.Context) error {
	if !m.process.running() {
		return nil
	}
	if err := m.syncFiles(); err != nil {
		return err
	}
	if m.process.primary && m.process.open && m.process.observation != nil && m.leading.record != nil {
		m.leaderDuties(ctx)
	}
	return nil
}

func (m *Manager) openLogs(handover *handover) error {
	seen := func(entry logs.Entry) { m.fatal.see(entry) }
	var err error
	if handover != nil {
		m.stream, err = logs.TakeOver(m.options.logDirectory(), handover.Logs, m.sink, seen, time.Now)
		return err
	}
	m.stream, err = logs.Open(m.options.logDirectory(), m.sink, seen, time.Now)
	return err
}

func (m *Manager) refreshCertificates() {
	changed, err := m.certificates.Refresh()
	if err != nil {
		m.log.Warn("certificates not loaded, trying again", "error", err.Error())
		return
	}
	if !changed {
		return
	}
	m.log.Info("certificates loaded", "server", short(m.certificates.Report().Server))
	if m.process.running() {
		if err := m.process.postmaster.Reload(); err != nil {
			m.log.Error("postgres does not take the new certificates", "error", err.Error())
		}
	}
}

func short(fingerprint string) string { return fingerprint[:min(len(fingerprint), 12)] }

// readVersion asks the programs which version they are, once.
func (m *Manager) readVersion(ctx context.Context) (postgres.Version, error) {
	if m.version != "" {
		return postgres.ParseVersion(m.version)
	}
	version, err := m.programs.Version(ctx)
	if err == nil {
		m.version = version.String()
	}
	return version, err
}

// waiting is a reason to wait that is found outside package election.
func waiting(reason instanceapi.WaitReason, message string) election.Decision {
	return election.Decision{Action: election.Wait, Rule: string(reason), WaitReason: reason, Message: message}
}
