package pki

import (
	"crypto/x509"
	"io"
	"slices"
	"time"
)

// Observed is what is out in the world, read before Plan decides.
type Observed struct {
	// Bundle holds the authorities of this kind that *every* published bundle has (their intersection: the
	// Secret that instances mount, and each that gives ca.crt to a client or to monitoring).
	Bundle []*x509.Certificate
	// Leaves of this authority as published, all of them: for the peer authority those of the instances, of
	// replication and of monitoring.
	Leaves []*x509.Certificate
	// Incomplete: a leaf that belongs in Leaves is missing or damaged.
	Incomplete bool
	// Instances that run, whether or not they answer. One that has no pod is left out: it will start with what is published.
	Instances []Loaded
}

// Loaded is what one instance says that it uses; the zero value is one that does not answer.
type Loaded struct {
	// Trusts are the fingerprints of authorities of this kind that it trusts now.
	Trusts []string
	// Leaves are the fingerprints of this authority's leaves that it uses now.
	Leaves []string
}

// Step of a rotation.
type Step string

// Steps, in their order.
const (
	// StepNone: nothing is going on.
	StepNone Step = "None"
	// StepPublish: the successor is being made known.
	StepPublish Step = "Publish"
	// StepSwitch: the successor has just taken over; leaves are to be issued anew.
	StepSwitch Step = "Switch"
	// StepRetire: the predecessor is trusted until nothing it signed is in use.
	StepRetire Step = "Retire"
)

// Decision is what to store and to publish, in this order: State first, under the resourceVersion that it
// was read with, so that no leaf is ever signed by an authority that was then forgotten; then the bundle
// (State.Bundle) and the leaves (Renew with State.Current) together.
type Decision struct {
	State State
	Step  Step
	// Changed: State is not the one that was given.
	Changed bool
	// Notes tell people what was done, and what was not as it should be; for events and the log.
	Notes []string
	// NextCheck is when to plan again, at the latest; new reports are a reason to do so earlier.
	NextCheck time.Time
}

// Plan decides the next step of one authority's rotation. The package documentation tells the steps.
func Plan(now time.Time, random io.Reader, policy Policy, id Identity, state State, seen Observed) (Decision, error) {
	p := planner{now: now, random: random, policy: policy, id: id, state: state, seen: seen}
	p.recover()
	p.forgetExpired()
	if err := p.prepare(); err != nil {
		return Decision{}, err
	}
	p.publish()
	if p.maySwitch() {
		p.takeOver()
		// A short-lived authority needs its own successor at once.
		if err := p.prepare(); err != nil {
			return Decision{}, err
		}
	}
	p.retire()
	return Decision{
		State: p.state, Step: p.step(), Notes: p.notes, NextCheck: p.nextCheck(),
		Changed: !sameState(state, p.state),
	}, nil
}

type planner struct {
	now      time.Time
	random   io.Reader
	policy   Policy
	id       Identity
	state    State
	seen     Observed
	switched bool
	notes    []string
}

func (p *planner) note(text string) { p.notes = append(p.notes, text) }

func (p *planner) step() Step {
	switch {
	case p.switched:
		return StepSwitch
	case p.state.Previous.Exists():
		return StepRetire
	case p.state.Next.Exists():
		return StepPublish
	}
	return StepNone
}

// nextCheck is the earliest moment at which time alone changes the decision, or soon while reports are awaited.
func (p *planner) nextCheck() time.Time {
	at := p.policy.RotateAt(p.state.Current)
	if p.state.Next.Exists() || p.state.Previous.Exists() {
		return p.now.Add(min(max(p.policy.Propagation/12, time.Second), 10*time.Second))
	}
	return later(at, p.now.Add(time.Second))
}

func sameState(a, b State) bool {
	same := func(x, y Authority) bool { return x.Fingerprint() == y.Fingerprint() && x.CanSign() == y.CanSign() }
	return same(a.Current, b.Current) && same(a.Next, b.Next) && same(a.Previous, b.Previous) &&
		a.Times.PublishedAt.Equal(b.Times.PublishedAt) && a.Times.SwitchedAt.Equal(b.Times.SwitchedAt) &&
		a.Times.ReissuedAt.Equal(b.Times.ReissuedAt)
}

func contains(certificates []*x509.Certificate, authority Authority) bool {
	return slices.ContainsFunc(certificates, authority.Certificate.Equal)
}
