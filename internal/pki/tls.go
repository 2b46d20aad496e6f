package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
)

// RoleOf is the role in a certificate's organizational unit; "" where it names none or several.
// It says something only of a certificate whose chain was verified.
func RoleOf(certificate *x509.Certificate) string {
	if certificate == nil || len(certificate.Subject.OrganizationalUnit) != 1 {
		return ""
	}
	return certificate.Subject.OrganizationalUnit[0]
}

// Pool of trusted authorities.
func Pool(bundle []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, certificate := range bundle {
		pool.AddCert(certificate)
	}
	return pool
}

// Pair is the leaf as crypto/tls takes it.
func (l Leaf) Pair() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{l.Certificate.Raw}, PrivateKey: l.Key, Leaf: l.Certificate}
}

// ClientConfig speaks to the API of the instance that serves under serverName (naming.InstanceHost,
// or naming.LeaderHost), and refuses a server whose certificate is not an instance's.
func ClientConfig(leaf Leaf, peerBundle []*x509.Certificate, serverName string) *tls.Config {
	return &tls.Config{
		MinVersion:       tls.VersionTLS13,
		Certificates:     []tls.Certificate{leaf.Pair()},
		RootCAs:          Pool(peerBundle),
		ServerName:       serverName,
		VerifyConnection: func(state tls.ConnectionState) error { return requireRole(state, RoleInstance) },
	}
}

// Material is what a server shows and whom it trusts; it changes while the server runs.
type Material struct {
	Leaf   Leaf
	Bundle []*x509.Certificate
}

// ErrNoMaterial is what a Material function returns before certificates have arrived.
var ErrNoMaterial = errors.New("certificates have not arrived yet")

// ServerConfig admits callers that a peer authority vouches for and whose role is one of roles.
// material is asked at each handshake, so that a rotation needs no restart. Which role may call which
// path is decided by the handler, with RoleOf of the verified certificate.
func ServerConfig(material func() (Material, error), roles ...Role) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			now, err := material()
			if err != nil {
				return nil, err
			}
			return &tls.Config{
				MinVersion:       tls.VersionTLS13,
				Certificates:     []tls.Certificate{now.Leaf.Pair()},
				ClientAuth:       tls.RequireAndVerifyClientCert,
				ClientCAs:        Pool(now.Bundle),
				VerifyConnection: func(state tls.ConnectionState) error { return requireRole(state, roles...) },
				NextProtos:       []string{"h2", "http/1.1"},
				// A resumed session would skip the authorities that are trusted now.
				SessionTicketsDisabled: true,
			}, nil
		},
	}
}

func requireRole(state tls.ConnectionState, roles ...Role) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the peer showed no certificate")
	}
	role := RoleOf(state.PeerCertificates[0])
	if !slices.Contains(roles, Role(role)) {
		return fmt.Errorf("the peer's certificate has role %q, which is not admitted here", role)
	}
	return nil
}
