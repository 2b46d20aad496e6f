package pki

import (
	"crypto/rand"
	"crypto/x509"
	mathrand "math/rand/v2"
	"testing"
	"time"
)

// world is a cluster under one policy: an operator that may be away, and holders of certificates that
// read what is published some time later.
type world struct {
	t      *testing.T
	random *mathrand.Rand
	now    time.Time
	policy Policy

	stored State // the authority's Secret
	out    []shown
	away   time.Time // the operator is away until then

	holders []*holder
	signed  map[[2]*x509.Certificate]bool // memory of signature checks
	trusted int                           // pairs that were checked
	changes map[Step]int
}

// shown is what one published Secret holds.
type shown struct {
	bundle []*x509.Certificate
	leaf   Leaf
}

// Secrets of the world.
const (
	secretInstances = iota
	secretMonitor
	secretApplication
	secrets
)

type holder struct {
	name      string
	secret    int
	has       shown
	refreshAt time.Time
	muteUntil time.Time // it does not report until then
}

func newWorld(t *testing.T, seed uint64, policy Policy) *world {
	t.Helper()
	w := &world{
		t: t, random: mathrand.New(mathrand.NewPCG(seed, 7)), now: start, policy: policy,
		out: make([]shown, secrets), signed: map[[2]*x509.Certificate]bool{}, changes: map[Step]int{},
	}
	for _, h := range []holder{
		{name: "orders-1"}, {name: "orders-2"}, {name: "orders-3"},
		{name: "prometheus", secret: secretMonitor}, {name: "application", secret: secretApplication},
	} {
		w.holders = append(w.holders, &h)
	}
	for !w.out[secretInstances].leaf.Exists() || !w.out[secretMonitor].leaf.Exists() || w.out[secretApplication].bundle == nil {
		w.operate()
	}
	for _, h := range w.holders {
		h.has = w.out[h.secret]
	}
	return w
}

func (w *world) between(from, to time.Duration) time.Duration {
	return from + time.Duration(w.random.Int64N(int64(to-from)+1))
}

// operate is one pass of the operator: plan, store, publish. It may stop after each.
func (w *world) operate() {
	decision, err := Plan(w.now, rand.Reader, w.policy, identity(KindPeer), w.stored, w.observe())
	if err != nil {
		w.t.Fatal(err)
	}
	w.stored = decision.State
	w.changes[decision.Step]++
	for secret := range w.out {
		if w.random.IntN(20) == 0 {
			return // the operator stopped half-way
		}
		leaf := Leaf{}
		if secret != secretApplication {
			request := InstanceRequest("orders", []string{"a"}, w.policy.LeafLifetime)
			if secret == secretMonitor {
				request = MonitorRequest(w.policy.LeafLifetime)
			}
			renewal, err := Renew(w.now, rand.Reader, w.policy, w.stored.Current, w.out[secret].leaf, request)
			if err != nil {
				w.t.Fatal(err)
			}
			leaf = renewal.Leaf
		}
		w.out[secret] = shown{bundle: w.stored.Bundle(), leaf: leaf}
	}
}

// observe is what the operator reads: the published Secrets, and the instances' reports.
func (w *world) observe() Observed {
	var seen Observed
	for _, certificate := range w.out[secretInstances].bundle {
		if contains(w.out[secretMonitor].bundle, Authority{Certificate: certificate}) &&
			contains(w.out[secretApplication].bundle, Authority{Certificate: certificate}) {
			seen.Bundle = append(seen.Bundle, certificate)
		}
	}
	for secret, content := range w.out {
		if content.leaf.Exists() {
			seen.Leaves = append(seen.Leaves, content.leaf.Certificate)
		} else if secret != secretApplication {
			seen.Incomplete = true
		}
	}
	for _, h := range w.holders {
		if h.secret != secretInstances {
			continue
		}
		loaded := Loaded{}
		if !w.now.Before(h.muteUntil) && h.has.leaf.Exists() {
			loaded.Leaves = []string{h.has.leaf.Fingerprint()}
			for _, certificate := range h.has.bundle {
				loaded.Trusts = append(loaded.Trusts, Fingerprint(certificate))
			}
		}
		seen.Instances = append(seen.Instances, loaded)
	}
	return seen
}

// step lets some seconds pass; a Secret takes at most late to arrive.
func (w *world) step(tick, late time.Duration) {
	w.now = w.now.Add(tick)
	for _, h := range w.holders {
		if !w.now.Before(h.refreshAt) {
			h.has = w.out[h.secret]
			h.refreshAt = w.now.Add(w.between(0, late))
		}
	}
	if !w.now.Before(w.away) {
		w.operate()
	}
}

// check that whoever speaks to somebody is trusted by them: the promise of this package.
func (w *world) check() {
	w.t.Helper()
	for _, from := range w.holders {
		for _, to := range w.holders {
			if from.has.leaf.Exists() && (to.secret == secretInstances || from.secret == secretInstances) {
				w.mustTrust(from.name, from.has.leaf.Certificate, to.name, to.has.bundle)
			}
		}
		if from.has.leaf.Exists() {
			w.mustTrust(from.name, from.has.leaf.Certificate, "operator", w.stored.Bundle())
		}
	}
}

func (w *world) mustTrust(from string, certificate *x509.Certificate, to string, bundle []*x509.Certificate) {
	w.t.Helper()
	w.trusted++
	if !w.now.Before(certificate.NotAfter) {
		w.t.Fatalf("%s: the certificate of %s expired at %s", w.now.Sub(start), from, certificate.NotAfter.Sub(start))
	}
	for _, authority := range bundle {
		key := [2]*x509.Certificate{certificate, authority}
		known, ok := w.signed[key]
		if !ok {
			known = certificate.CheckSignatureFrom(authority) == nil
			w.signed[key] = known
		}
		if known && w.now.Before(authority.NotAfter) && !w.now.Before(authority.NotBefore) {
			return
		}
	}
	w.t.Fatalf("%s: %s is not trusted by %s", w.now.Sub(start), from, to)
}
