package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
)

// certificates is an API server that has the Secret of one cluster.
type certificates struct {
	client.Reader
	key  client.ObjectKey
	data map[string][]byte
}

func (c certificates) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	secret, ok := object.(*corev1.Secret)
	if !ok || key != c.key {
		return errors.New("there is no such Secret")
	}
	secret.Data = c.data
	return nil
}

// played is a stub that answers for a cluster, at an address, and the authority of that cluster.
func played(t *testing.T, f *fleet, of *cluster) (s *stub, address string, authority pki.Authority) {
	t.Helper()
	now := time.Now()
	authority, err := pki.Generate(now, rand.Reader, pki.Identity{Kind: pki.KindPeer, Namespace: of.key.Namespace, Cluster: of.key.Name}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	peer, err := authority.Issue(now, rand.Reader,
		pki.InstanceRequest(of.key.Name, []string{naming.InstanceHost(of.key.Name, of.key.Namespace, "*")}, time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	bundle := []*x509.Certificate{authority.Certificate}
	data, err := pki.Mounted{PeerBundle: bundle, ClientBundle: bundle, Peer: peer, Server: peer, Replication: peer}.Data()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	secret := client.ObjectKey{Namespace: of.key.Namespace, Name: naming.Certificates(of.key.Name)}
	s = &stub{kube: certificates{key: secret, data: data}, fleet: f, changes: newChanges(), ended: make(chan error, 1)}
	s.answer(listener)
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s, listener.Addr().String(), authority
}

func TestOneListenerAnswersForEachInstanceAsTheOperatorAsks(t *testing.T) {
	f := newFleet(2, 3, 20)
	c := f.clusters[1]
	s, address, authority := played(t, f, c)
	leaf, err := authority.Issue(time.Now(), rand.Reader, pki.OperatorRequest(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(of *cluster, ordinal int) *instanceapi.Client {
		host := naming.InstanceHost(of.key.Name, of.key.Namespace, of.name(ordinal))
		asks := instanceapi.NewClient(address, pki.ClientConfig(leaf, []*x509.Certificate{authority.Certificate}, host))
		t.Cleanup(asks.Close)
		return asks
	}
	s.changes.begin(c.key, "1001", c.instances)
	s.changes.answer(c.key, 2, time.Now())
	for ordinal := 1; ordinal <= c.instances; ordinal++ {
		instance := ask(c, ordinal)
		before, err := instance.Status(t.Context())
		if err != nil || before.Instance != c.name(ordinal) || before.Leader != (ordinal == leader) || before.Certificates.Peer == "" {
			t.Fatalf("instance %d: %+v (%v)", ordinal, before, err)
		}
		if _, err := instance.InForce(t.Context()); err == nil {
			t.Error("a configuration is in force that nobody sent")
		}
		wanted := instanceapi.Configuration{Revision: "r", Parameters: map[string]string{parameter: "1001"}}
		if after, err := instance.Configure(t.Context(), wanted); err != nil || after.ConfigurationRevision != "r" {
			t.Errorf("configured: %+v (%v)", after, err)
		}
		if found, err := instance.InForce(t.Context()); err != nil || found.Revision != "r" {
			t.Errorf("in force: %+v (%v)", found, err)
		}
		if _, err := instance.Grant(t.Context(), instanceapi.Access{}); (err == nil) != (ordinal == leader) {
			t.Errorf("instance %d grants: %v", ordinal, err)
		}
		if _, err := instance.Reinitialize(t.Context()); err == nil {
			t.Error("it does what it cannot")
		}
	}
	if taken := s.changes.take(time.Now()); len(taken.applied) != 1 || len(taken.open) != 0 {
		t.Errorf("applied: %+v", taken)
	}
	got := s.counts.now()
	if got.Leaders != 1 || got.Standbys != 2 || got.Configurations != 3 || got.Accesses != 3 || got.Handshakes != 3 || got.Open != 3 {
		t.Errorf("counted: %+v", got)
	}
	if _, err := ask(f.clusters[0], 1).Status(t.Context()); err == nil {
		t.Error("an instance answers whose certificates nobody has")
	}
}
