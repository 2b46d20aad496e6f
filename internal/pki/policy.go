package pki

import (
	"errors"
	"time"
)

// Policy tells how long authorities and leaves live, and how long others need to take notice.
type Policy struct {
	// AuthorityLifetime of a new authority.
	AuthorityLifetime time.Duration
	// LeafLifetime of a new leaf.
	LeafLifetime time.Duration
	// RenewFraction of its life after which a leaf is renewed and an authority's successor is made; between 0 and 1.
	RenewFraction float64
	// Propagation is the longest time that a changed Secret needs to arrive in the pods that mount it.
	Propagation time.Duration
	// Overlap is the least time for which a bundle is out before something depends on it. It is for those
	// who read Secrets and cannot report: applications, monitoring.
	Overlap time.Duration
}

// Defaults of a Policy.
const (
	DefaultAuthorityLifetime = 2 * 365 * 24 * time.Hour
	DefaultLeafLifetime      = 90 * 24 * time.Hour
	// DefaultPropagation: the kubelet refreshes mounted Secrets every minute, and caches them for about as long.
	DefaultPropagation = 2 * time.Minute
	// clientOverlap gives applications a week to read the new bundle, peerOverlap a Prometheus an hour.
	clientOverlap = 7 * 24 * time.Hour
	peerOverlap   = time.Hour
)

// NewPolicy fits all other times to these lifetimes, down to an authority of five minutes.
func NewPolicy(kind Kind, authorityLifetime, leafLifetime time.Duration) Policy {
	overlap := clientOverlap
	if kind == KindPeer {
		overlap = peerOverlap
	}
	return Policy{
		AuthorityLifetime: authorityLifetime,
		LeafLifetime:      min(leafLifetime, authorityLifetime),
		RenewFraction:     2.0 / 3,
		Propagation:       min(DefaultPropagation, authorityLifetime*3/10),
		Overlap:           min(overlap, authorityLifetime*3/10),
	}
}

// DefaultPolicy has the default lifetimes.
func DefaultPolicy(kind Kind) Policy {
	return NewPolicy(kind, DefaultAuthorityLifetime, DefaultLeafLifetime)
}

// MinAuthorityLifetime is the shortest in which a rotation still arrives in time.
const MinAuthorityLifetime = 5 * time.Minute

// Validate tells what is wrong with a Policy.
func (p Policy) Validate() error {
	switch {
	case p.AuthorityLifetime < MinAuthorityLifetime:
		return errors.New("the lifetime of authorities must be at least 5m, since a mounted Secret may take 90 s to arrive")
	case p.LeafLifetime <= 0 || p.LeafLifetime > p.AuthorityLifetime:
		return errors.New("the lifetime of certificates must be more than zero and at most that of authorities")
	case p.RenewFraction <= 0 || p.RenewFraction >= 1:
		return errors.New("the fraction of a life after which certificates are renewed must be between 0 and 1")
	case p.Propagation <= 0 || p.Overlap < 0:
		return errors.New("propagation must be more than zero, and overlap not less")
	case p.Propagation+p.Overlap > p.AuthorityLifetime*2/3:
		return errors.New("propagation and overlap together must leave a third of the lifetime of authorities")
	}
	return nil
}

// RotateAt is when the successor of an authority is made: early enough for all three steps.
func (p Policy) RotateAt(a Authority) time.Time {
	born, life := span(a)
	// An authority of a longer life than the policy now wants is rotated as if it were the policy's.
	life = min(life, p.AuthorityLifetime)
	ahead := max(life-time.Duration(float64(life)*p.RenewFraction), 3*p.Propagation+p.Overlap)
	return born.Add(life - ahead)
}

// Parts of an authority's life that are kept in reserve, since the operator itself may be away when the time comes.
const (
	patienceReserve = 10 // a tenth: no more waiting for instances that do not answer
	overlapReserve  = 50 // a fiftieth: no more waiting for clients either
)

// patienceEnds is when a successor no longer waits for instances that have not reported.
func (p Policy) patienceEnds(a Authority) time.Time {
	_, life := span(a)
	return a.Certificate.NotAfter.Add(-max(p.Propagation, life/patienceReserve))
}

// lastCall is when a successor waits for nothing but Propagation: what it signs must still arrive before the old one expires.
func (p Policy) lastCall(a Authority) time.Time {
	_, life := span(a)
	return a.Certificate.NotAfter.Add(-max(p.Propagation, life/overlapReserve))
}

// span is when an authority was made, and for how long.
func span(a Authority) (born time.Time, life time.Duration) {
	born = a.Certificate.NotBefore.Add(Backdating)
	return born, a.Certificate.NotAfter.Sub(born)
}
