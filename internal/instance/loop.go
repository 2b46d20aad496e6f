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
	"github.com/timonier-io/timonier/internal/instance/endpoints"
	"github.com/timonier-io/timonier/internal/instance/logs"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

// How often the loop turns by itself: when nothing happens, and while something is under way that no event tells of.
const (
	idleTurn = time.Second
	busyTurn = 20 * time.Millisecond
)

// certificatesEvery is how often the mounted Secret is looked at, and orphansEvery whether a process ended whose signal came with another one's.
const (
	certificatesEvery = 5 * time.Second
	orphansEvery      = 30 * time.Second
)

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
	m.listen = func(names []string) { m.peers.Listen(background, names) }
	m.refreshCertificates()
	servers, err := m.serve()
	if err != nil {
		return err
	}
	defer servers.close()
	go m.publisher.Run(background)
	go m.watchLease(background)
	go m.watchOverrides(background)
	go m.writes.Run(background, probeEvery, m.probes.Load)
	go m.watchdog(background)
	m.log.Info("instance manager started", "instance", m.options.Instance, "version", m.options.Version)

	childEnded := make(chan os.Signal, 8)
	signal.Notify(childEnded, syscall.SIGCHLD)
	certificates, orphans := time.NewTicker(certificatesEvery), time.NewTicker(orphansEvery)
	defer certificates.Stop()
	defer orphans.Stop()
	terminated := ctx.Done()
	for {
		m.turn(background)
		if m.mayEnd() {
			return m.shutDown()
		}
		select {
		case <-terminated:
			terminated = nil
			m.terminate()
		case command := <-m.commands:
			command()
		case <-childEnded:
			m.children.Reap()
		case <-certificates.C:
			m.refreshCertificates()
		case <-orphans.C:
			m.children.Reap()
		case <-m.process.ended():
		case <-m.wakeUp:
		case <-time.After(m.untilNextTurn()):
		}
	}
}

// untilNextTurn is not later than the end of a lease that this leader has to stop with.
func (m *Manager) untilNextTurn() time.Duration {
	pace := m.pace()
	if record := m.lastRecord(); m.process.primary && record.Quorum.Mode == election.ModeAsynchronous && record.Holder == m.options.Instance {
		if rest := m.untilLeaseEnds(record); rest > 0 {
			return min(pace, rest+time.Millisecond)
		}
	}
	return pace
}

func (m *Manager) pace() time.Duration {
	p := &m.process
	switch {
	case m.job != nil, p.checkpoint != nil, m.ending, m.compared.listens:
		return busyTurn
	case p.observation != nil && p.replayedTimeline != 0 && m.step.Verb == election.Rest:
		return idleTurn // detached at the end of its WAL, perhaps for hours
	case p.inTransition(), m.step.Verb != election.Rest && m.step.Verb != election.Wait:
		return busyTurn
	case m.doubt.cause != "" || m.leaderIsSilent() || p.reconnects():
		return busyTurn
	}
	return idleTurn
}

// turnPatience bounds all that one step asks of the server and of programs: one that hangs must not keep the loop from noticing that.
const turnPatience = 15 * time.Second

// stepsPerTurn bounds how many steps follow each other without a pause.
const stepsPerTurn = 20

// turn observes, decides, acts and reports, for as long as one step leads to the next.
func (m *Manager) turn(ctx context.Context) {
	for range stepsPerTurn {
		if !m.takeStep(ctx) {
			return
		}
	}
}

func (m *Manager) takeStep(ctx context.Context) (done bool) {
	m.turnedAt.Store(int64(time.Since(m.startedAt)))
	defer m.publish()
	defer m.surviveBug()
	if m.problem == "" {
		clear(m.held) // the turn before had none
	}
	m.problem = ""
	ctx, cancel := context.WithTimeout(ctx, turnPatience)
	defer cancel()
	m.noticeStall()
	m.noticeHang()
	m.noticeEnd()
	m.noticeJob()
	if m.job != nil {
		return false
	}
	if err := m.observe(ctx); err != nil {
		if !errors.Is(err, errNotAsked) {
			m.hold("observing", err)
		}
		return false
	}
	m.followTheLease()
	step := election.Decide(m.observation())
	m.story(step)
	m.step, m.decided = step, step
	done, err := m.carryOut(ctx, step)
	if err != nil {
		m.hold(string(step.Verb), err)
	}
	if !done {
		m.duties(ctx)
	}
	return done && m.job == nil
}

// followTheLease takes over what the Lease says about who leads.
func (m *Manager) followTheLease() {
	record := m.lastRecord()
	m.noticeOpening(record)
	if m.lease.edited || record.Revision == 0 || record.Revision < m.highest {
		return
	}
	if record.Holder == m.options.Instance && record.HolderIncarnation == m.contents.Identity.Incarnation && m.contents.Whole {
		m.leading.record = &record
		if m.missing(record) {
			closed := endpoints.Closed(record.Term)
			m.publisher.Publish(&closed)
		}
		return
	}
	if m.process.primary {
		m.publisher.Publish(nil)
	}
}

// missing tells that this leader is to open yet, and that the address of the one before may not even refuse who connects to it.
func (m *Manager) missing(record election.Record) bool {
	last := record.LastFailover
	return last != nil && last.OpenedAt.IsZero() && !m.process.open && last.Cause != election.CauseHandover && last.Cause != election.CauseReleased
}

// surviveBug keeps a bug in a turn from ending PID 1, and with it the database. The next turn looks at everything again.
func (m *Manager) surviveBug() {
	if bug := recover(); bug != nil {
		m.problem = fmt.Sprintf("a bug of the instance manager: %v; please report it with the log", bug)
		m.log.Error("a turn of the loop ended in a bug; going on", "bug", fmt.Sprint(bug), "stack", string(debug.Stack()))
	}
}

// hold notes an error for the status, and logs it once while it stays the same.
func (m *Manager) hold(doing string, err error) {
	text := err.Error()
	if errors.Is(err, context.Canceled) {
		return
	}
	if m.held[doing] != text {
		m.log.Warn("not done, trying again", "doing", doing, "error", text)
	}
	m.problem, m.held[doing] = text, text
}

// story logs why a step is taken where there is more to tell than what it does, which is logged when it is done.
func (m *Manager) story(step election.Step) {
	if step.Message == "" || step.Verb == m.decided.Verb && step.Rule == m.decided.Rule && step.Message == m.decided.Message {
		return
	}
	record := m.lastRecord()
	m.log.Info("step", "verb", string(step.Verb), "rule", step.Rule, "message", step.Message,
		"holder", record.Holder, "term", record.Term, "revision", record.Revision, "timeline", record.Timeline)
}

// duties are what an instance does beside its steps, all the time.
func (m *Manager) duties(ctx context.Context) {
	p := &m.process
	if !p.running() || p.observation == nil || p.stopping() || p.promoting {
		return
	}
	if err := m.syncFiles(); err != nil {
		m.hold("configuring postgres", err)
	}
	switch {
	case p.primary && m.leading.record != nil:
		m.leaderDuties(ctx)
	case p.attached:
		if record := m.lastRecord(); record.Holder == p.attachedTo && record.Address != p.attachedAddress {
			if err := m.attach(record); err != nil {
				m.hold("following", err)
			}
			m.endReceiver() // one that still waits for the former address would do so for a while
		}
		m.following.settled = true
		m.followerDuties(ctx)
		if p.stopping() {
			return
		}
		if err := m.seeThatItStreams(ctx); err != nil {
			m.hold("following", err)
		}
		if err := m.seeThatItReplays(); err != nil {
			m.hold("replaying", err)
		}
	case !p.primary:
		if err := m.seeThatItComesToItsEnd(); err != nil {
			m.hold("replaying", err)
		}
	}
}

func (m *Manager) openLogs(handover *handover) error {
	var err error
	if handover != nil {
		m.stream, err = logs.TakeOver(m.options.logDirectory(), handover.Logs, m.sink, m.seeEntry, time.Now)
		return err
	}
	m.stream, err = logs.Open(m.options.logDirectory(), m.sink, m.seeEntry, time.Now)
	return err
}

// seeEntry looks at what PostgreSQL logs, for what nothing else tells.
func (m *Manager) seeEntry(entry logs.Entry) {
	m.fatal.see(entry)
	m.countCancelled(entry)
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
func waiting(reason instanceapi.WaitReason, message string) election.Step {
	return election.Step{Verb: election.Wait, Rule: string(reason), WaitReason: reason, Message: message}
}
