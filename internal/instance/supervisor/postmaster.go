package supervisor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// Mode of a shutdown; the names are PostgreSQL's.
type Mode int

// Modes of a shutdown, each harder than the one before.
const (
	// Fast ends sessions, writes a checkpoint, and streams it.
	Fast Mode = iota + 1
	// Immediate ends everything without a checkpoint: recovery follows at the next start.
	Immediate
	// Kill is for a postmaster that does not even take Immediate.
	Kill
)

func (m Mode) String() string {
	return map[Mode]string{Fast: "fast", Immediate: "immediate", Kill: "kill"}[m]
}

func (m Mode) signal() syscall.Signal {
	switch m {
	case Fast:
		return syscall.SIGINT
	case Immediate:
		return syscall.SIGQUIT
	case Kill:
	}
	return syscall.SIGKILL
}

// Postmaster is a running server, or one that has ended.
type Postmaster struct {
	PID       int
	StartedAt time.Time

	process *os.Process
	ended   chan struct{}
	state   *os.ProcessState // once ended
	asked   atomic.Int32     // the hardest Mode of a stop that was asked for
}

// StartPostmaster starts the server; it does not wait until it accepts connections. It may be asked to reload from the first moment on.
func (c *Children) StartPostmaster(cmd *exec.Cmd, now time.Time) (*Postmaster, error) {
	// A server that has not set its handler for it yet would die of a SIGHUP. Ignored here, it is ignored there until then, and nothing is missed:
	// the handler is set before the configuration is read.
	signal.Ignore(syscall.SIGHUP)
	if err := c.start(cmd); err != nil {
		return nil, fmt.Errorf("starting postgres: %w", err)
	}
	return c.watch(cmd.Process, now), nil
}

// AdoptPostmaster takes over a server that this process started before it replaced itself by exec: its child still.
func (c *Children) AdoptPostmaster(pid int, startedAt time.Time) (*Postmaster, error) {
	c.note(pid)
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Signal(syscall.Signal(0))
	}
	if err != nil {
		c.forget(pid)
		return nil, fmt.Errorf("adopting postgres, process %d: %w", pid, err)
	}
	return c.watch(process, startedAt), nil
}

// niceness of the server and of all that it starts. Whoever watches over it has to be asked first for the CPU that both share: what a busy server takes
// would otherwise look like one that does not answer, and each step of a takeover would queue behind clients that try to connect.
const niceness = 10

func (c *Children) watch(process *os.Process, startedAt time.Time) *Postmaster {
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, process.Pid, niceness) // it may have ended already; and it runs without, too
	p := &Postmaster{PID: process.Pid, StartedAt: startedAt, process: process, ended: make(chan struct{})}
	go func() {
		p.state, _ = process.Wait() // an error leaves no state, which Exit tells
		c.forget(process.Pid)
		close(p.ended)
	}()
	return p
}

// Ended is closed once the server has ended.
func (p *Postmaster) Ended() <-chan struct{} { return p.ended }

// HasEnded tells whether it has.
func (p *Postmaster) HasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Exit tells in words how it ended; only once it has.
func (p *Postmaster) Exit() string {
	if p.state == nil {
		return "ended in an unknown way"
	}
	return p.state.String()
}

// Asked is the hardest stop that was asked for, 0 for none: an end without it came by itself.
func (p *Postmaster) Asked() Mode { return Mode(p.asked.Load()) }

// Stop asks for a shutdown, unless one as hard was asked for before. It does not wait, and can be called beside all else: who looks after the server may be waiting
// for something.
func (p *Postmaster) Stop(mode Mode) error {
	for {
		before := p.asked.Load()
		if Mode(before) >= mode {
			return nil
		}
		if p.asked.CompareAndSwap(before, int32(mode)) {
			break
		}
	}
	if mode == Kill {
		return p.kill()
	}
	return p.signal(mode.signal())
}

// kill it, and what it has started: a postmaster that the kernel keeps does not end before that lets it go, and its walsenders would go on telling the standbys that
// all is well.
func (p *Postmaster) kill() error {
	started := childrenOf(p.PID, notGone) // before, for they are somebody else's children once it has ended
	err := p.signal(syscall.SIGKILL)
	go func() { killServers(titlesOf(started)) }() // to read the title of one that waits for a disk may wait for that, too
	return err
}

// Reload asks it to read its configuration files again.
func (p *Postmaster) Reload() error { return p.signal(syscall.SIGHUP) }

func (p *Postmaster) signal(signal syscall.Signal) error {
	if err := p.process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %v to postgres: %w", signal, err)
	}
	return nil
}
