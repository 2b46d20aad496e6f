package instance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/api"
	"github.com/timonier-io/timonier/internal/instance/logs"
	"github.com/timonier-io/timonier/internal/instance/volumes"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

// An upgrade replaces this program by exec: same process, so the server stays its child and never notices. What the
// next program image must know is in the handover file, and the log's pipes stay open. A new program that crashes at its
// start takes PID 1 with it, and so the container is restarted, with the database: it is run once for its version before it is trusted.

// handover is what one program image leaves to the next.
type handover struct {
	// Process is this process's identity in time: a file that an earlier process left is worthless.
	Process    string    `json:"process"`
	Postmaster int       `json:"postmaster,omitempty"`
	StartedAt  time.Time `json:"startedAt"`
	Primary    bool      `json:"primary"`
	Attached   bool      `json:"attached"`
	AttachedTo string    `json:"attachedTo,omitempty"`
	Term       int64     `json:"attachedTerm,omitempty"`
	Address    string    `json:"attachedAddress,omitempty"`
	Open       bool      `json:"open"`
	// Effective is how much WAL was on disk when what was told of the quorum was seen to be so, nil where it was not.
	Effective *postgres.LSN    `json:"effective,omitempty"`
	OpensAt   postgres.LSN     `json:"opensAt,omitempty"`
	Revision  string           `json:"revision"`
	Highest   int64            `json:"highest"`
	Led       *election.Record `json:"led,omitempty"`
	Logs      logs.Handover    `json:"logs"`
	// CancelledWaits so far; nil from a program that did not count them for the status.
	CancelledWaits *instanceapi.CancelledWaits `json:"cancelledWaits,omitempty"`
	// Lock of the volumes, as open descriptors; none from a program that took no lock.
	Lock []int `json:"lock,omitempty"`
}

// Replace takes another build of this program in, checks it, and puts it into this one's place on disk. then executes it.
func (m *Manager) Replace(ctx context.Context, program io.Reader, hash string) (reply instanceapi.BinaryReply, then func(), err error) {
	m.applying.Lock()
	defer m.applying.Unlock()
	file := m.options.Program + ".new"
	received, err := receive(file, program)
	if err != nil {
		return reply, nil, err
	}
	if !strings.EqualFold(received, hash) {
		return reply, nil, errors.Join(api.Rejected(fmt.Sprintf("received a program with the SHA-256 %s, but %q was announced", received, hash)), os.Remove(file))
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	check := exec.CommandContext(ctx, file, "version")
	if err := m.children.Run(check); err != nil {
		return reply, nil, errors.Join(api.Rejected("the received program does not run: "+err.Error()), os.Remove(file))
	}
	if err := m.do(ctx, m.mayReplace); err != nil {
		return reply, nil, errors.Join(err, os.Remove(file))
	}
	if err := volumes.Rename(file, m.options.Program); err != nil {
		return reply, nil, fmt.Errorf("putting the new program into its place: %w", err)
	}
	return instanceapi.BinaryReply{Hash: received}, func() {
		err := m.do(context.Background(), m.announceReplacement)
		time.Sleep(50 * time.Millisecond) // the answer goes out, and what the others are told
		if err == nil {
			err = m.do(context.Background(), m.execute)
		}
		if err != nil {
			m.log.Error("the new program was not executed; this one goes on", "error", err.Error())
		}
	}, nil
}

// mayReplace refuses while something is under way that the next program image could not go on with.
func (m *Manager) mayReplace() error {
	p := &m.process
	switch {
	case m.ending || m.handing != nil:
		return api.Busy("this instance is about to end, or hands over; try again when that is done")
	case m.job != nil:
		return api.Busy("a " + m.job.name + " is under way; try again when it is done")
	case p.running() && (p.observation == nil || p.stopping() || p.promoting):
		return api.Busy("postgres is being started, stopped or promoted; try again when that is done")
	}
	return nil
}

func receive(file string, program io.Reader) (hash string, err error) {
	target, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return "", fmt.Errorf("receiving a program: %w", err)
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(target, sum), program)
	if err = errors.Join(err, target.Chmod(0o755), target.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("receiving a program: %w", err), os.Remove(file))
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// announceReplacement tells the others that this program's connections are about to end, so that they miss nobody: where the node is busy, the next
// program takes longer to listen than they would wait.
func (m *Manager) announceReplacement() error {
	m.replacing = true // told at the end of this turn
	return nil
}

// execute replaces the running program. It returns only where that failed.
func (m *Manager) execute() error {
	defer func() { m.replacing = false }()
	if err := m.mayReplace(); err != nil {
		return err
	}
	p := &m.process
	state := handover{
		Process: processIdentity(), Primary: p.primary, Attached: p.attached, AttachedTo: p.attachedTo, Term: p.attachedTerm, Address: p.attachedAddress, Open: p.open || p.door, OpensAt: p.opensAt,
		Revision: p.startedWith, Highest: m.highest, Led: m.leading.record,
	}
	if p.running() {
		state.Postmaster, state.StartedAt = p.postmaster.PID, p.postmaster.StartedAt
	}
	if p.enforced.effective {
		state.Effective = &p.enforced.at
	}
	m.log.Info("replacing this program; postgres goes on", "postgres", state.Postmaster)
	var err error
	if state.Logs, err = m.stream.HandOver(); err != nil {
		return err
	}
	state.CancelledWaits = m.cancelledWaits()
	if m.lock != nil {
		state.Lock = m.lock.HandOver()
	}
	content, err := json.Marshal(state)
	if err == nil {
		err = volumes.WriteFile(m.options.handoverFile(), content, 0o600)
	}
	if err == nil {
		m.sink.Flush(time.Second)
		err = syscall.Exec(m.options.Program, os.Args, os.Environ())
	}
	// Still this program: it goes on reading the log where it stopped.
	stream, errLogs := logs.TakeOver(m.options.logDirectory(), state.Logs, m.sink, m.seeEntry, time.Now)
	if errLogs == nil {
		m.stream = stream
	}
	return errors.Join(err, errLogs, os.Remove(m.options.handoverFile()))
}

// readHandover reads what the program image before this one left; nil where there was none in this process.
func (m *Manager) readHandover() (*handover, error) {
	content, err := os.ReadFile(m.options.handoverFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = os.Remove(m.options.handoverFile())
	}
	if err != nil {
		return nil, fmt.Errorf("reading the handover: %w", err)
	}
	var state handover
	if err := json.Unmarshal(content, &state); err != nil {
		return nil, fmt.Errorf("reading the handover: %w", err)
	}
	if state.Process != processIdentity() {
		return nil, nil // a container that died before it read this
	}
	return &state, nil
}

// adopt goes on with the server of the program image before this one.
func (m *Manager) adopt(state *handover) {
	if state == nil {
		return
	}
	m.highest, m.leading.record = state.Highest, state.Led
	if before := state.CancelledWaits; before != nil {
		m.cancelledSince = before.Since
		m.cancelled.Add(before.Count)
	}
	if len(state.Lock) > 0 {
		m.lock = volumes.TakeOverLock(state.Lock)
	}
	if state.Postmaster == 0 {
		return
	}
	postmaster, err := m.children.AdoptPostmaster(state.Postmaster, state.StartedAt)
	if err != nil {
		m.log.Error("postgres is not there any more", "error", err.Error())
		return
	}
	m.process = process{
		postmaster: postmaster, primary: state.Primary, attached: state.Attached, attachedTo: state.AttachedTo, attachedTerm: state.Term, attachedAddress: state.Address,
		door: state.Open, open: state.Open, opensAt: state.OpensAt,
		startedWith: state.Revision, renewed: state.Primary, roles: state.Open, accepted: true,
	}
	if led := state.Led; state.Primary && state.Open && led != nil && led.LastFailover != nil && led.LastFailover.OpenedAt.IsZero() {
		m.leading.openedAt = time.Now() // it was open before, and the Lease does not say so yet
	}
	if state.Effective != nil {
		m.process.enforced = enforced{effective: true, at: *state.Effective, checkpointed: true}
	}
	// Without a running server this is read before every decision; now it has to be read beside it, once.
	if m.contents, err = m.options.Volumes.Inspect(context.Background(), m.programs.ControlData); err != nil {
		m.log.Error("the volumes cannot be read", "error", err.Error())
	}
	m.unread = err != nil
	if _, err := m.readVersion(context.Background()); err != nil {
		m.log.Error("the version of PostgreSQL is not known", "error", err.Error())
	}
	m.publish() // which copy this is has to be known before anybody asks
	m.log.Info("postgres adopted", "pid", postmaster.PID, "primary", state.Primary)
}

// processIdentity is the PID with the moment at which the process began; exec changes neither.
func processIdentity() string {
	content, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return ""
	}
	// Past “pid (comm) ”, start time is the 20th field; comm may change with exec.
	fields := strings.Fields(string(content[strings.LastIndexByte(string(content), ')')+1:]))
	const startTime = 19
	if len(fields) <= startTime {
		return ""
	}
	return fmt.Sprintf("%d@%s", os.Getpid(), fields[startTime])
}

func fileHash(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
