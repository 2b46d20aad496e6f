package pki

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// recover fills in what was lost, from what is published: authorities that are still in use stay trusted.
func (p *planner) recover() {
	if p.state.Current.Exists() {
		return
	}
	for _, certificate := range p.seen.Bundle {
		authority := Authority{Certificate: certificate}
		switch {
		case !certificate.IsCA || authority.expired(p.now):
		case p.signedSomething(authority) && !p.state.Current.Exists():
			p.state.Current = authority
		case !p.state.Previous.Exists() && !sameAuthority(authority, p.state.Next):
			p.state.Previous = authority
		}
	}
	if p.state.Current.Exists() {
		p.note(fmt.Sprintf("the key of the %s authority was lost; a new authority replaces it", p.id.Kind))
	}
}

// signedSomething that is published and still valid.
func (p *planner) signedSomething(authority Authority) bool {
	return slices.ContainsFunc(p.seen.Leaves, func(leaf *x509.Certificate) bool {
		return p.now.Before(leaf.NotAfter) && authority.signed(leaf)
	})
}

// forgetExpired drops what nobody could trust any more.
func (p *planner) forgetExpired() {
	if p.state.Previous.Exists() && p.state.Previous.expired(p.now) {
		p.state.Previous = Authority{}
	}
	if p.state.Next.Exists() && (p.state.Next.expired(p.now) || !p.state.Next.CanSign()) {
		p.dropNext()
	}
	if p.state.Current.Exists() && p.state.Current.expired(p.now) && !p.state.Next.Exists() {
		p.note(fmt.Sprintf("the %s authority had expired; a new one is published with its certificates", p.id.Kind))
		p.state.Current = Authority{}
	}
}

func (p *planner) dropNext() {
	p.state.Next = Authority{}
	p.state.Times.PublishedAt = time.Time{}
}

// prepare makes the first authority, or the successor of one that is due.
func (p *planner) prepare() error {
	if p.state.Next.Exists() {
		return nil
	}
	if p.state.Current.Exists() && p.state.Current.CanSign() && p.now.Before(p.policy.RotateAt(p.state.Current)) {
		return nil
	}
	made, err := Generate(p.now, p.random, p.id, p.policy.AuthorityLifetime)
	if err != nil {
		return err
	}
	if p.state.Current.Exists() {
		p.state.Next, p.state.Times.PublishedAt = made, time.Time{}
		return nil
	}
	p.state.Current = made
	p.state.Times = Times{SwitchedAt: p.now}
	return nil
}

// publish notes since when the successor is known everywhere; asked of the world, since a
// controller may have stopped between storing the successor and publishing it.
func (p *planner) publish() {
	next := p.state.Next
	if next.Exists() && p.state.Times.PublishedAt.IsZero() && contains(p.seen.Bundle, next) {
		p.state.Times.PublishedAt = p.now
	}
}

// maySwitch: the successor is trusted wherever its leaves will be shown, or waiting would be worse.
func (p *planner) maySwitch() bool {
	current, next, published := p.state.Current, p.state.Next, p.state.Times.PublishedAt
	switch {
	case !next.Exists():
		return false
	case current.expired(p.now):
		return true
	case !current.CanSign() && (p.seen.Incomplete || !p.signedSomething(current)):
		// What is missing cannot be made otherwise; nothing is gained by waiting.
		return true
	case published.IsZero():
		return false
	case p.passed(p.policy.lastCall(current)) && p.passed(published.Add(p.policy.Propagation)):
		p.noteIfHurried(next)
		return true
	case p.state.Previous.Exists() || !p.passed(published.Add(p.policy.Overlap)):
		return false
	case p.allTrust(next):
		return true
	case p.passed(p.policy.patienceEnds(current)):
		p.noteIfHurried(next)
		return true
	}
	return false
}

func (p *planner) passed(moment time.Time) bool { return !p.now.Before(moment) }

func (p *planner) noteIfHurried(next Authority) {
	if p.allTrust(next) {
		return
	}
	p.note(fmt.Sprintf("the %s authority expires at %s: its successor takes over although not every instance has confirmed "+
		"that it trusts it", p.id.Kind, p.state.Current.Certificate.NotAfter.UTC().Format(time.RFC3339)))
}

func (p *planner) allTrust(authority Authority) bool {
	return !slices.ContainsFunc(p.seen.Instances, func(instance Loaded) bool {
		return !slices.Contains(instance.Trusts, authority.Fingerprint())
	})
}

func (p *planner) takeOver() {
	p.state.Previous, p.state.Current, p.state.Next = p.state.Current, p.state.Next, Authority{}
	// A predecessor signs nothing any more.
	p.state.Previous.Key = nil
	if p.state.Previous.expired(p.now) {
		p.state.Previous = Authority{}
	}
	p.state.Times = Times{SwitchedAt: p.now}
	p.switched = true
	p.note(fmt.Sprintf("a new %s authority signs; certificates are issued anew", p.id.Kind))
}

// retire drops the predecessor once nothing that it signed can be in use.
func (p *planner) retire() {
	if !p.state.Previous.Exists() || p.switched {
		return
	}
	if p.state.Times.ReissuedAt.IsZero() {
		if p.reissued() {
			p.state.Times.ReissuedAt = p.now
		}
		return
	}
	if p.allUse() && p.passed(p.state.Times.ReissuedAt.Add(p.policy.Overlap)) {
		p.state.Previous = Authority{}
	}
}

// reissued: every leaf that is published is the current authority's.
func (p *planner) reissued() bool {
	return len(p.seen.Leaves) > 0 && !slices.ContainsFunc(p.seen.Leaves, func(leaf *x509.Certificate) bool {
		return !p.state.Current.signed(leaf)
	})
}

// allUse: every instance uses published leaves of the current authority, and nothing else.
func (p *planner) allUse() bool {
	if !p.reissued() {
		return false
	}
	published := map[string]bool{}
	for _, leaf := range p.seen.Leaves {
		published[Fingerprint(leaf)] = true
	}
	return !slices.ContainsFunc(p.seen.Instances, func(instance Loaded) bool {
		return len(instance.Leaves) == 0 || slices.ContainsFunc(instance.Leaves, func(f string) bool { return !published[f] })
	})
}

func sameAuthority(a, b Authority) bool { return a.Exists() && a.Fingerprint() == b.Fingerprint() }
