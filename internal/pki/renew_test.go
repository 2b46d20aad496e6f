package pki

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"
)

func TestALeafIsIssuedAnewWhenItMust(t *testing.T) {
	const day = 24 * time.Hour
	policy := Policy{AuthorityLifetime: 365 * day, LeafLifetime: 90 * day, RenewFraction: 2.0 / 3, Propagation: time.Minute}
	signer := authority(t, KindPeer, start, policy.AuthorityLifetime)
	successor := authority(t, KindPeer, start, policy.AuthorityLifetime)
	keyless := Authority{Certificate: signer.Certificate}
	request := InstanceRequest("orders", []string{"orders-1", "10.0.0.1"}, policy.LeafLifetime)
	old := leaf(t, signer, start, request)
	wider := InstanceRequest("orders", []string{"orders-1", "orders-2", "10.0.0.1"}, policy.LeafLifetime)
	last := leaf(t, signer, start.Add(330*day), request)

	for name, test := range map[string]struct {
		at      time.Time
		signer  Authority
		leaf    Leaf
		request LeafRequest
		renewed bool
		err     error
	}{
		"young":                               {start.Add(59 * day), signer, old, request, false, nil},
		"two thirds of its life have passed":  {start.Add(61 * day), signer, old, request, true, nil},
		"missing":                             {start, signer, Leaf{}, request, true, nil},
		"a name was added":                    {start, signer, old, wider, true, nil},
		"another purpose":                     {start, signer, old, MonitorRequest(policy.LeafLifetime), true, nil},
		"another authority signs":             {start, successor, old, request, true, nil},
		"the key is lost, the leaf is valid":  {start.Add(61 * day), keyless, old, request, false, nil},
		"the key is lost, so is the leaf":     {start, keyless, Leaf{}, request, false, ErrNoKey},
		"the key is lost, the leaf ended":     {start.Add(91 * day), keyless, old, request, false, ErrNoKey},
		"it ends with its authority: no gain": {start.Add(360 * day), signer, last, request, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Renew(test.at, rand.Reader, policy, test.signer, test.leaf, test.request)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if err != nil {
				return
			}
			if renewed := got.Leaf.Fingerprint() != test.leaf.Fingerprint(); renewed != test.renewed {
				t.Errorf("renewed %v (%s), want %v", renewed, got.Reason, test.renewed)
			}
			if test.renewed && !got.Due.After(test.at) {
				t.Errorf("due again at %s, at once", got.Due)
			}
		})
	}
}

func TestHostsInAnotherOrderRenewNothing(t *testing.T) {
	signer := authority(t, KindClient, start, time.Hour)
	made := leaf(t, signer, start, ServerRequest("orders", []string{"b", "::1", "a", "10.0.0.1", "a"}, time.Hour))
	got, err := Renew(start, rand.Reader, DefaultPolicy(KindClient), signer, made,
		ServerRequest("orders", []string{"10.0.0.1", "a", "b", "::1"}, time.Hour))
	if err != nil || got.Reason != "" {
		t.Errorf("renewed: %s %v", got.Reason, err)
	}
}
