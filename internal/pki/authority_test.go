package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func identity(kind Kind) Identity { return Identity{Kind: kind, Namespace: "shop", Cluster: "orders"} }

func authority(t *testing.T, kind Kind, at time.Time, lifetime time.Duration) Authority {
	t.Helper()
	made, err := Generate(at, rand.Reader, identity(kind), lifetime)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func leaf(t *testing.T, signer Authority, at time.Time, request LeafRequest) Leaf {
	t.Helper()
	made, err := signer.Issue(at, rand.Reader, request)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func verify(certificate *x509.Certificate, at time.Time, usage x509.ExtKeyUsage, bundle ...*x509.Certificate) error {
	_, err := certificate.Verify(x509.VerifyOptions{
		Roots: Pool(bundle), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	return err
}

func TestEachCertificateIsGoodForItsPurposeAlone(t *testing.T) {
	peer, client := authority(t, KindPeer, start, time.Hour), authority(t, KindClient, start, time.Hour)
	for name, test := range map[string]struct {
		leaf          Leaf
		signer, other Authority
		serves, logs  bool
		role          string
	}{
		"instance":    {leaf(t, peer, start, InstanceRequest("orders", []string{"a.b"}, time.Hour)), peer, client, true, true, "instance"},
		"replication": {leaf(t, peer, start, ReplicationRequest(time.Hour)), peer, client, false, true, "replication"},
		"operator":    {leaf(t, peer, start, OperatorRequest(time.Hour)), peer, client, false, true, "operator"},
		"monitor":     {leaf(t, peer, start, MonitorRequest(time.Hour)), peer, client, false, true, "monitor"},
		"server":      {leaf(t, client, start, ServerRequest("orders", []string{"a.b"}, time.Hour)), client, peer, true, false, "server"},
	} {
		t.Run(name, func(t *testing.T) {
			certificate := test.leaf.Certificate
			serves := verify(certificate, start, x509.ExtKeyUsageServerAuth, test.signer.Certificate) == nil
			logs := verify(certificate, start, x509.ExtKeyUsageClientAuth, test.signer.Certificate) == nil
			if serves != test.serves || logs != test.logs {
				t.Errorf("serves %v, want %v; logs in %v, want %v", serves, test.serves, logs, test.logs)
			}
			if verify(certificate, start, x509.ExtKeyUsageAny, test.other.Certificate) == nil {
				t.Error("the other authority vouches for it")
			}
			if got := RoleOf(certificate); got != test.role {
				t.Errorf("role %q, want %q", got, test.role)
			}
			if certificate.IsCA {
				t.Error("it can sign others")
			}
		})
	}
}

func TestAPeerWhoseClockIsBehindAcceptsANewCertificate(t *testing.T) {
	signer := authority(t, KindPeer, start, time.Hour)
	made := leaf(t, signer, start, ReplicationRequest(time.Hour))
	if err := verify(made.Certificate, start.Add(-50*time.Second), x509.ExtKeyUsageClientAuth, signer.Certificate); err != nil {
		t.Error(err)
	}
}

func TestALeafNeverOutlivesItsAuthority(t *testing.T) {
	signer := authority(t, KindPeer, start, time.Hour)
	made := leaf(t, signer, start, ReplicationRequest(24*time.Hour))
	if !made.Certificate.NotAfter.Equal(signer.Certificate.NotAfter) {
		t.Errorf("leaf until %s, authority until %s", made.Certificate.NotAfter, signer.Certificate.NotAfter)
	}
}

func TestSuccessorsOfAnAuthorityAreToldApart(t *testing.T) {
	first, second := authority(t, KindPeer, start, time.Hour), authority(t, KindPeer, start, time.Hour)
	if first.Certificate.Subject.String() == second.Certificate.Subject.String() {
		t.Error("two authorities have one subject")
	}
	if first.Fingerprint() == second.Fingerprint() || len(first.Fingerprint()) != 64 {
		t.Errorf("fingerprints %q and %q", first.Fingerprint(), second.Fingerprint())
	}
}

func TestPEMReadsBack(t *testing.T) {
	signer := authority(t, KindPeer, start, time.Hour)
	key, err := EncodeKey(signer.Key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := EncodeCertificates(signer.Certificate)
	back, err := ParseAuthority(certificate, key)
	if err != nil || back.Fingerprint() != signer.Fingerprint() || !back.Key.Equal(signer.Key) {
		t.Errorf("not what was written: %v", err)
	}
	other, _ := EncodeKey(authority(t, KindPeer, start, time.Hour).Key)
	for name, damaged := range map[string]struct{ certificate, key []byte }{
		"no key":          {certificate, nil},
		"another key":     {certificate, other},
		"half a key":      {certificate, key[:len(key)/2]},
		"key, not cert":   {key, key},
		"trailing text":   {append(bytes.Clone(certificate), "x"...), key},
		"two authorities": {append(bytes.Clone(certificate), certificate...), key},
		"a leaf":          {EncodeCertificates(leaf(t, signer, start, OperatorRequest(time.Hour)).Certificate), key},
	} {
		got, err := ParseAuthority(damaged.certificate, damaged.key)
		if err == nil || got.CanSign() {
			t.Errorf("%s: accepted", name)
		}
		if err != nil && strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: the error shows content: %v", name, err)
		}
	}
}
