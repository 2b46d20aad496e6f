package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/timonier-io/timonier/internal/naming"
)

// Role is the organizational unit of a certificate: what its holder may do.
type Role string

const (
	// RoleOperator may configure and command an instance.
	RoleOperator Role = naming.CertificateRoleOperator
	// RoleInstance may ask other instances for their status, and serves its own.
	RoleInstance Role = naming.CertificateRoleInstance
	// RoleMonitor may read metrics.
	RoleMonitor Role = naming.CertificateRoleMonitor
	// RoleReplication logs in to PostgreSQL to replicate, clone and rewind; the instances' API refuses it.
	RoleReplication Role = "replication"
	// RoleServer is PostgreSQL's own certificate.
	RoleServer Role = "server"
)

// Usage is what a certificate can be shown for.
type Usage int

const (
	// UsageClient logs in, and cannot serve.
	UsageClient Usage = iota + 1
	// UsageServer serves, and cannot log in.
	UsageServer
	// UsagePeer does both.
	UsagePeer
)

// LeafRequest tells what a certificate is to say.
type LeafRequest struct {
	CommonName string
	Role       Role
	DNSNames   []string
	IPs        []net.IP
	Usage      Usage
	// Lifetime from now on; cut at the authority's own expiry.
	Lifetime time.Duration
}

// Leaf is a certificate with its key.
type Leaf struct {
	Certificate *x509.Certificate
	Key         *ecdsa.PrivateKey
}

// Exists tells a leaf from the zero one.
func (l Leaf) Exists() bool { return l.Certificate != nil && l.Key != nil }

// Fingerprint of the leaf's certificate, "" where there is none.
func (l Leaf) Fingerprint() string {
	if l.Certificate == nil {
		return ""
	}
	return Fingerprint(l.Certificate)
}

// InstanceRequest is the certificate with which every instance of a cluster serves its API and asks others; hosts as for ServerRequest.
func InstanceRequest(cluster string, hosts []string, lifetime time.Duration) LeafRequest {
	names, ips := SplitHosts(hosts)
	return LeafRequest{CommonName: cluster, Role: RoleInstance, DNSNames: names, IPs: ips, Usage: UsagePeer, Lifetime: lifetime}
}

// ReplicationRequest is the certificate with which a standby logs in to its leader.
func ReplicationRequest(lifetime time.Duration) LeafRequest {
	return LeafRequest{CommonName: naming.ReplicationRole, Role: RoleReplication, Usage: UsageClient, Lifetime: lifetime}
}

// OperatorRequest is the certificate with which the operator commands instances.
func OperatorRequest(lifetime time.Duration) LeafRequest {
	return LeafRequest{CommonName: "timonier-operator", Role: RoleOperator, Usage: UsageClient, Lifetime: lifetime}
}

// MonitorRequest is the certificate with which a Prometheus reads metrics.
func MonitorRequest(lifetime time.Duration) LeafRequest {
	return LeafRequest{CommonName: "timonier-monitor", Role: RoleMonitor, Usage: UsageClient, Lifetime: lifetime}
}

// ServerRequest is the certificate that PostgreSQL shows; hosts are the names and addresses at which clients reach it.
func ServerRequest(cluster string, hosts []string, lifetime time.Duration) LeafRequest {
	names, ips := SplitHosts(hosts)
	return LeafRequest{CommonName: cluster, Role: RoleServer, DNSNames: names, IPs: ips, Usage: UsageServer, Lifetime: lifetime}
}

// SplitHosts tells addresses from names, each sorted and once.
func SplitHosts(hosts []string) (names []string, ips []net.IP) {
	for _, host := range slices.Compact(slices.Sorted(slices.Values(hosts))) {
		if ip := net.ParseIP(host); ip != nil {
			ips = append(ips, ip)
		} else if host != "" {
			names = append(names, host)
		}
	}
	return names, ips
}

// ErrNoKey is returned by Issue where the authority's key was lost.
var ErrNoKey = errors.New("the authority's key is missing")

// NewKey for a leaf.
func NewKey(random io.Reader) (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), random)
}

// Issue signs a new key. The leaf never outlives its authority.
func (a Authority) Issue(now time.Time, random io.Reader, request LeafRequest) (Leaf, error) {
	key, err := NewKey(random)
	if err != nil {
		return Leaf{}, fmt.Errorf("making the key of the %s certificate: %w", request.Role, err)
	}
	return a.Certify(now, random, key, request)
}

// Certify signs a key that there is. As with Issue, the leaf never outlives its authority.
func (a Authority) Certify(now time.Time, random io.Reader, key *ecdsa.PrivateKey, request LeafRequest) (Leaf, error) {
	if !a.CanSign() {
		return Leaf{}, ErrNoKey
	}
	serial, err := newSerial(random)
	if err != nil {
		return Leaf{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: request.CommonName, OrganizationalUnit: []string{string(request.Role)}},
		DNSNames:              request.DNSNames,
		IPAddresses:           request.IPs,
		NotBefore:             now.Add(-Backdating),
		NotAfter:              earlier(now.Add(request.Lifetime), a.Certificate.NotAfter),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           request.Usage.extended(),
	}
	raw, err := x509.CreateCertificate(random, template, a.Certificate, key.Public(), a.Key)
	if err != nil {
		return Leaf{}, fmt.Errorf("signing the %s certificate: %w", request.Role, err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		return Leaf{}, fmt.Errorf("reading back the %s certificate: %w", request.Role, err)
	}
	return Leaf{Certificate: certificate, Key: key}, nil
}

func (u Usage) extended() []x509.ExtKeyUsage {
	switch u {
	case UsageClient:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case UsageServer:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	case UsagePeer:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
