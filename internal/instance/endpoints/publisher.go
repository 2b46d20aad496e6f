package endpoints

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/timonier-io/timonier/internal/kubeapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// recheck is how often the slices are read although nothing changed: somebody may have deleted or edited them. retry follows a failure.
const (
	recheck = 10 * time.Second
	retry   = time.Second
)

// Publisher writes the slices, apart from the manager's loop: a slow API must not slow that down.
type Publisher struct {
	slices    kubeapi.EndpointSlices
	cluster   string
	namespace string
	log       *slog.Logger

	mu     sync.Mutex
	wanted *Wanted
	wake   chan struct{}
}

// NewPublisher writes nothing before Publish.
func NewPublisher(slices kubeapi.EndpointSlices, cluster, namespace string, log *slog.Logger) *Publisher {
	return &Publisher{slices: slices, cluster: cluster, namespace: namespace, log: log, wake: make(chan struct{}, 1)}
}

// Publish sets what is wanted from now on; nil, while this instance does not lead, writes nothing any more.
func (p *Publisher) Publish(wanted *Wanted) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if equal(p.wanted, wanted) {
		return
	}
	p.wanted = wanted
	select {
	case p.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Run writes until the context ends.
func (p *Publisher) Run(ctx context.Context) {
	known := map[string]kubeapi.EndpointSlice{}
	var read time.Time
	for {
		p.mu.Lock()
		wanted := p.wanted
		p.mu.Unlock()
		next := recheck
		if wanted != nil {
			if time.Since(read) >= recheck {
				clear(known)
				read = time.Now()
			}
			if !p.write(ctx, *wanted, known) {
				next = retry
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-time.After(next):
		}
	}
}

// write makes both slices be as wanted. known holds them as they were last seen.
func (p *Publisher) write(ctx context.Context, wanted Wanted, known map[string]kubeapi.EndpointSlice) (done bool) {
	// The primary first: each change of a Service is work for every node, and the next one may have to wait for that.
	done = p.writeOne(ctx, naming.PrimaryService(p.cluster), wanted.Term, wanted.Primary, known)
	if !wanted.KeepReplicas {
		done = p.writeOne(ctx, naming.ReplicaService(p.cluster), wanted.Term, wanted.Replicas, known) && done
	}
	return done
}

func (p *Publisher) writeOne(ctx context.Context, name string, term int64, members []Member, known map[string]kubeapi.EndpointSlice) (done bool) {
	err := p.update(ctx, name, term, members, known)
	if err == nil {
		return true
	}
	delete(known, name)
	if ctx.Err() == nil && !kubeapi.IsConflict(err) {
		p.log.Warn("endpoints not written, trying again", "slice", name, "error", err.Error())
	}
	return false
}

func (p *Publisher) update(ctx context.Context, name string, term int64, members []Member, known map[string]kubeapi.EndpointSlice) error {
	slice, ok := known[name]
	if !ok {
		var err error
		if slice, err = p.slices.Get(ctx, name); err != nil {
			return err
		}
		known[name] = slice
	}
	written, _ := strconv.ParseInt(slice.Annotations[naming.AnnotationTerm], 10, 64) // none, or nonsense: nobody has written yet
	endpoints := endpointsOf(members, slice.AddressType, p.namespace)
	if written > term || written == term && same(slice.Endpoints, endpoints) && slices.Equal(slice.Ports, ports) {
		return nil
	}
	slice.Annotations[naming.AnnotationTerm] = strconv.FormatInt(term, 10)
	slice.Endpoints, slice.Ports = endpoints, ports
	slice, err := p.slices.Update(ctx, slice)
	if err != nil {
		return err
	}
	known[name] = slice
	p.log.Info("endpoints written", "slice", name, "term", term, "instances", names(members))
	return nil
}

func names(members []Member) []string {
	list := make([]string, 0, len(members))
	for _, member := range members {
		list = append(list, member.Instance)
	}
	return list
}

func equal(a, b *Wanted) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Term == b.Term && a.KeepReplicas == b.KeepReplicas && slices.Equal(a.Primary, b.Primary) && slices.Equal(a.Replicas, b.Replicas)
}
