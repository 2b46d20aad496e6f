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
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	asked := p.options.Now()
	client := instanceapi.NewClient(p.options.Address(name), p.options.TLS(name))
	status, err := client.Status(ctx)
	client.Close()

	p.mu.Lock()
	delete(p.asking, name)
	last := p.answers[name]
	if err != nil || status.Instance != name {
		last.failed = p.options.Now()
	} else {
		last = answer{status: status, asked: asked, at: p.options.Now()}
	}
	p.answers[name] = last
	p.mu.Unlock()
	p.options.Answered()
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
