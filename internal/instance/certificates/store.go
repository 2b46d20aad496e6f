// Package certificates loads the instance's certificates from the mounted Secret,
// again whenever they change, and hands them on: to the TLS of the instance's own API (tls.go),
// and as private copies to PostgreSQL and libpq, which refuse keys that others can read.
package certificates

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/timonier-io/timonier/internal/instance/volumes"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// Files in the Secret, and in the directory of copies.
const (
	PeerCA                 = "peer-ca.crt"
	ClientCA               = "client-ca.crt"
	PeerCertificate        = "peer.crt"
	PeerKey                = "peer.key"
	ServerCertificate      = "server.crt"
	ServerKey              = "server.key"
	ReplicationCertificate = "replication.crt"
	ReplicaKey             = "replication.key"
)

var files = []string{
	PeerCA, ClientCA, PeerCertificate, PeerKey, ServerCertificate, ServerKey, ReplicationCertificate, ReplicaKey,
}

// Store of the certificates in use. It is safe for concurrent use; only one caller may Refresh.
type Store struct {
	source, copies string
	current        atomic.Pointer[bundle]
}

type bundle struct {
	sum    [sha256.Size]byte
	peer   tls.Certificate
	peers  *x509.CertPool
	report instanceapi.CertificateReport
}

// NewStore reads from source and keeps copies in the directory copies.
func NewStore(source, copies string) *Store {
	s := &Store{source: source, copies: copies}
	s.current.Store(&bundle{peers: x509.NewCertPool()})
	return s
}

// Copy is the path of the private copy of a file.
func (s *Store) Copy(file string) string { return filepath.Join(s.copies, file) }

// Report tells which certificates are in use.
func (s *Store) Report() instanceapi.CertificateReport { return s.current.Load().report }

// Refresh reads the Secret again, and tells whether anything changed. The kubelet replaces the files together, but a read may
// fall in between: what does not fit together is an error, and the former certificates stay in use.
func (s *Store) Refresh() (changed bool, err error) {
	content := map[string][]byte{}
	hash := sha256.New()
	for _, file := range files {
		bytes, err := os.ReadFile(filepath.Join(s.source, file))
		if err != nil {
			return false, fmt.Errorf("reading the instance's certificates: %w", err)
		}
		content[file] = bytes
		_, _ = fmt.Fprintf(hash, "%s %d\n", file, len(bytes)) // a hash never fails
		hash.Write(bytes)
	}
	next := &bundle{}
	copy(next.sum[:], hash.Sum(nil))
	if next.sum == s.current.Load().sum {
		return false, nil
	}
	if err := next.load(content); err != nil {
		return false, err
	}
	if err := os.MkdirAll(s.copies, 0o700); err != nil {
		return false, fmt.Errorf("copying the instance's certificates: %w", err)
	}
	for file, bytes := range content {
		if err := volumes.WriteFile(s.Copy(file), bytes, 0o600); err != nil {
			return false, fmt.Errorf("copying the instance's certificates: %w", err)
		}
	}
	s.current.Store(next)
	return true, nil
}

func (b *bundle) load(content map[string][]byte) error {
	var err error
	if b.report.PeerCAs, b.peers, err = authorities(PeerCA, content[PeerCA]); err != nil {
		return err
	}
	if b.report.ClientCAs, _, err = authorities(ClientCA, content[ClientCA]); err != nil {
		return err
	}
	if b.peer, b.report.Peer, err = pair(PeerCertificate, content[PeerCertificate], content[PeerKey]); err != nil {
		return err
	}
	if _, b.report.Server, err = pair(ServerCertificate, content[ServerCertificate], content[ServerKey]); err != nil {
		return err
	}
	_, b.report.Replication, err = pair(ReplicationCertificate, content[ReplicationCertificate], content[ReplicaKey])
	return err
}

// authorities reads a bundle.
func authorities(file string, content []byte) (fingerprints []string, pool *x509.CertPool, err error) {
	pool = x509.NewCertPool()
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", file, err)
		}
		pool.AddCert(certificate)
		fingerprints = append(fingerprints, fingerprint(block.Bytes))
	}
	if len(fingerprints) == 0 {
		return nil, nil, fmt.Errorf("%s: no certificate in it", file)
	}
	return fingerprints, pool, nil
}

func pair(file string, certificate, key []byte) (tls.Certificate, string, error) {
	loaded, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("%s: %w", file, err)
	}
	return loaded, fingerprint(loaded.Certificate[0]), nil
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}
