package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"
)

// handshake over a real connection; the error is the server's or the client's.
func handshake(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	served := make(chan error, 1)
	go func() {
		connection, err := listener.Accept()
		if err == nil {
			err = tls.Server(connection, server).HandshakeContext(t.Context())
			_ = connection.Close()
		}
		served <- err
	}()
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	clientErr := tls.Client(connection, client).HandshakeContext(t.Context())
	if clientErr != nil {
		_ = connection.Close()
		return errors.Join(clientErr, <-served)
	}
	return <-served
}

func TestAnInstanceAdmitsOnlyRolesThatItWasTold(t *testing.T) {
	now := time.Now()
	peer, client := authority(t, KindPeer, now, time.Hour), authority(t, KindClient, now, time.Hour)
	instance := leaf(t, peer, now, InstanceRequest("orders", []string{"orders-1"}, time.Hour))
	bundle := []*x509.Certificate{peer.Certificate}
	server := ServerConfig(func() (Material, error) {
		return Material{Leaf: instance, Bundle: bundle}, nil
	}, RoleOperator, RoleInstance)

	for name, test := range map[string]struct {
		caller     Leaf
		serverName string
		want       bool
	}{
		"operator":              {leaf(t, peer, now, OperatorRequest(time.Hour)), "orders-1", true},
		"instance":              {instance, "orders-1", true},
		"another name":          {instance, "orders-9", false},
		"monitor, not admitted": {leaf(t, peer, now, MonitorRequest(time.Hour)), "orders-1", false},
		"replication":           {leaf(t, peer, now, ReplicationRequest(time.Hour)), "orders-1", false},
		"operator of a client authority": {
			leaf(t, client, now, OperatorRequest(time.Hour)), "orders-1", false,
		},
		"expired": {leaf(t, peer, now.Add(-2*time.Hour), OperatorRequest(time.Hour)), "orders-1", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := handshake(t, server, ClientConfig(test.caller, bundle, test.serverName))
			if (err == nil) != test.want {
				t.Errorf("admitted %v, want %v (%v)", err == nil, test.want, err)
			}
		})
	}
}

func TestAClientRefusesAServerThatIsNoInstance(t *testing.T) {
	now := time.Now()
	peer := authority(t, KindPeer, now, time.Hour)
	bundle := []*x509.Certificate{peer.Certificate}
	request := ServerRequest("orders", []string{"orders-1"}, time.Hour)
	pretender := leaf(t, peer, now, request)
	server := ServerConfig(func() (Material, error) { return Material{pretender, bundle}, nil }, RoleOperator)
	if err := handshake(t, server, ClientConfig(leaf(t, peer, now, OperatorRequest(time.Hour)), bundle, "orders-1")); err == nil {
		t.Error("a certificate without the role of an instance was accepted as a server")
	}
}

func TestRoleOfACertificateWithSeveralRolesIsNone(t *testing.T) {
	certificate := leaf(t, authority(t, KindPeer, start, time.Hour), start, OperatorRequest(time.Hour)).Certificate
	certificate.Subject.OrganizationalUnit = []string{"operator", "instance"}
	if got := RoleOf(certificate); got != "" {
		t.Errorf("role %q", got)
	}
	if got := RoleOf(nil); got != "" {
		t.Errorf("role of no certificate: %q", got)
	}
}
