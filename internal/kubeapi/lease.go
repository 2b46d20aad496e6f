package kubeapi

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// microTime is how Kubernetes writes a MicroTime.
const microTime = "2006-01-02T15:04:05.000000Z07:00"

// Lease of the group coordination.k8s.io.
type Lease struct {
	Meta
	Holder          string
	DurationSeconds int64
	Transitions     int64
	// AcquireTime and RenewTime are zero where the Lease does not have them.
	AcquireTime time.Time
	RenewTime   time.Time

	rest document
}

// Leases of one namespace.
type Leases struct {
	client    *Client
	namespace string
}

// Leases of this namespace.
func (c *Client) Leases(namespace string) Leases { return Leases{client: c, namespace: namespace} }

func (l Leases) collection() string {
	return "/apis/coordination.k8s.io/v1/namespaces/" + url.PathEscape(l.namespace) + "/leases"
}

func (l Leases) path(name string) string { return l.collection() + "/" + url.PathEscape(name) }

// Get reads the Lease from the quorum of etcd, not from a cache.
func (l Leases) Get(ctx context.Context, name string) (Lease, error) {
	doc, err := l.client.get(ctx, l.path(name))
	if err != nil {
		return Lease{}, fmt.Errorf("reading Lease %s: %w", name, err)
	}
	return leaseOf(doc)
}

// Update replaces the Lease, if nobody else did since it was read, and returns it as it is now.
func (l Leases) Update(ctx context.Context, lease Lease) (Lease, error) {
	doc, err := lease.document()
	if err != nil {
		return Lease{}, err
	}
	doc, err = l.client.put(ctx, l.path(lease.Name), doc)
	if err != nil {
		return Lease{}, fmt.Errorf("updating Lease %s: %w", lease.Name, err)
	}
	return leaseOf(doc)
}

// Watch calls seen with each state of the Lease from now on, until the API ends the watch or the context
// does. A deleted Lease is seen as nil. The caller watches again, after a pause.
func (l Leases) Watch(ctx context.Context, name string, seen func(*Lease)) error {
	return l.client.watch(ctx, l.collection(), name, func(doc document) error {
		if doc == nil {
			seen(nil)
			return nil
		}
		lease, err := leaseOf(doc)
		if err != nil {
			return err
		}
		seen(&lease)
		return nil
	})
}

func leaseOf(doc document) (Lease, error) {
	lease := Lease{rest: doc}
	meta, err := readMeta(doc)
	if err != nil {
		return lease, err
	}
	lease.Meta = meta
	spec, err := doc.child("spec")
	if err != nil {
		return lease, err
	}
	for key, target := range map[string]any{
		"holderIdentity": &lease.Holder, "leaseDurationSeconds": &lease.DurationSeconds, "leaseTransitions": &lease.Transitions,
		"acquireTime": &lease.AcquireTime, "renewTime": &lease.RenewTime,
	} {
		if err := spec.read(key, target); err != nil {
			return lease, err
		}
	}
	return lease, nil
}

func (l Lease) document() (document, error) {
	doc := l.rest.copied()
	if err := writeMeta(doc, l.Meta); err != nil {
		return nil, err
	}
	spec, err := doc.child("spec")
	if err != nil {
		return nil, err
	}
	values := map[string]any{"holderIdentity": l.Holder, "leaseTransitions": l.Transitions}
	for key, at := range map[string]time.Time{"acquireTime": l.AcquireTime, "renewTime": l.RenewTime} {
		if !at.IsZero() {
			values[key] = at.UTC().Format(microTime)
		}
	}
	if l.DurationSeconds > 0 { // zero is refused by the API
		values["leaseDurationSeconds"] = l.DurationSeconds
	}
	for key, value := range values {
		if err := spec.write(key, value); err != nil {
			return nil, err
		}
	}
	return doc, doc.write("spec", spec)
}
