// Package peers asks the cluster's other instances for their status, in the
// background and all at once, so that nobody waits for one that does not answer.
package peers

import (
	"context"
	"crypto/tls"
	"sync"
	"time"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

// patience with one peer; a peer in the same cluster answers within milliseconds, or is gone.
const patience = 2 * time.Second

// Options of a Poller.
type Options struct {
	// Address of an instance's API, host:port.
	Address func(instance string) string
	// TLS configuration for an instance, as it is now: certificates change.
	TLS func(instance string) *tls.Config
	// Answered is called after each answer.
	Answered func()
	Now      func() time.Time
}

// Poller keeps the last answer of each peer. Safe for concurrent use.
type Poller struct {
	options Options

	mu      sync.Mutex
	answers map[string]answer
	asking  map[string]bool
}

type answer struct {
	status instanceapi.Status
	// asked is when the question was sent, at when the answer came.
	asked, at time.Time
	// failed is when it last did not answer.
	failed time.Time
}

// New asks nobody yet.
func New(options Options) *Poller {
	return &Poller{options: options, answers: map[string]answer{}, asking: map[string]bool{}}
}

// Ask asks those whose last answer is older than this, and returns at once.
func (p *Poller) Ask(ctx context.Context, names []string, olderThan time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.options.Now()
	for _, name := range names {
		last := p.answers[name]
		if p.asking[name] || now.Sub(last.at) < olderThan || now.Sub(last.failed) < time.Second {
			continue
		}
		p.asking[name] = true
		go p.ask(context.WithoutCancel(ctx), name) // the answer is for all turns that come, and has a time limit of its own
	}
}

func (p *Poller) ask(ctx context.Context, name string) {
	asked := p.options.Now()
	status, answered := p.status(ctx, name, patience)

	p.mu.Lock()
	delete(p.asking, name)
	last := p.answers[name]
	if !answered {
		last.failed = p.options.Now()
	} else {
		last = answer{status: status, asked: asked, at: p.options.Now()}
	}
	p.answers[name] = last
	p.mu.Unlock()
	p.options.Answered()
}

// status of one peer, if it answers in time.
func (p *Poller) status(ctx context.Context, name string, within time.Duration) (status instanceapi.Status, answered bool) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	client := instanceapi.NewClient(p.options.Address(name), p.options.TLS(name))
	defer client.Close()
	status, err := client.Status(ctx)
	return status, err == nil && status.Instance == name
}

// collectWithin is how long those that are asked for somebody else may take: who asks has a time limit of its own, and asks those directly that are missing.
const collectWithin = time.Second

// Collect asks all of these now, at the same time, and returns what those told that answer in time. Nothing of it is kept.
func (p *Poller) Collect(ctx context.Context, names []string) []instanceapi.Status {
	found, answered := make([]instanceapi.Status, len(names)), make([]bool, len(names))
	var group sync.WaitGroup
	for i, name := range names {
		group.Go(func() { found[i], answered[i] = p.status(ctx, name, collectWithin) })
	}
	group.Wait()
	var statuses []instanceapi.Status
	for i, status := range found {
		if answered[i] {
			statuses = append(statuses, status)
		}
	}
	return statuses
}

// Answers are those not older than this, by instance.
func (p *Poller) Answers(notOlderThan time.Duration) map[string]instanceapi.Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.options.Now()
	fresh := map[string]instanceapi.Status{}
	for name, last := range p.answers {
		if !last.at.IsZero() && now.Sub(last.at) <= notOlderThan {
			fresh[name] = last.status
		}
	}
	return fresh
}

// AskedSince tells whether the last answer of a peer is to a question that was sent after this moment.
func (p *Poller) AskedSince(name string, moment time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answers[name].asked.After(moment)
}

// Last answer of a peer, however old.
func (p *Poller) Last(name string) (instanceapi.Status, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, ok := p.answers[name]
	return last.status, ok && !last.at.IsZero()
}
