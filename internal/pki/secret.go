package pki

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Keys of the Secret that every instance mounts (naming.Certificates), which are its files' names.
const (
	FilePeerCA         = "peer-ca.crt"
	FileClientCA       = "client-ca.crt"
	FilePeer           = "peer.crt"
	FilePeerKey        = "peer.key"
	FileServer         = "server.crt"
	FileServerKey      = "server.key"
	FileReplication    = "replication.crt"
	FileReplicationKey = "replication.key"
)

// Keys of the Secret for monitoring (naming.MonitorCertificate), as in Secrets of type kubernetes.io/tls.
const (
	FileMonitorCA  = "ca.crt"
	FileMonitor    = "tls.crt"
	FileMonitorKey = "tls.key"
)

const suffixCert, suffixKey = ".crt", ".key"

// Mounted is the content of the Secret that every instance mounts.
type Mounted struct {
	// PeerBundle is who is trusted to speak to an instance, and to replicate.
	PeerBundle []*x509.Certificate
	// ClientBundle is with what a standby verifies its leader's PostgreSQL.
	ClientBundle []*x509.Certificate
	// Peer serves the API and asks other instances.
	Peer Leaf
	// Server is PostgreSQL's.
	Server Leaf
	// Replication logs in to the leader.
	Replication Leaf
}

// Data of the Secret, or the files of its volume.
func (m Mounted) Data() (map[string][]byte, error) {
	data := map[string][]byte{
		FilePeerCA:   EncodeCertificates(m.PeerBundle...),
		FileClientCA: EncodeCertificates(m.ClientBundle...),
	}
	for name, leaf := range m.leaves() {
		if err := putPair(data, name, leaf.Certificate, leaf.Key); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// ParseMounted reads what Data wrote. What is damaged or missing is left out, and told by the error; the
// controller goes on with the rest, an instance keeps what it has loaded.
func ParseMounted(data map[string][]byte) (Mounted, error) {
	var out Mounted
	var problems []error
	for name, into := range map[string]*[]*x509.Certificate{FilePeerCA: &out.PeerBundle, FileClientCA: &out.ClientBundle} {
		certificates, err := ParseCertificates(data[name])
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
		*into = certificates
	}
	for name, into := range out.leaves() {
		leaf, err := ParseLeaf(data[name+suffixCert], data[name+suffixKey])
		if err != nil {
			problems = append(problems, fmt.Errorf("%s.crt and %s.key: %w", name, name, err))
		}
		*into = leaf
	}
	return out, errors.Join(problems...)
}

func (m *Mounted) leaves() map[string]*Leaf {
	return map[string]*Leaf{"peer": &m.Peer, "server": &m.Server, "replication": &m.Replication}
}

// Monitor is the content of the Secret with which a Prometheus reads metrics (naming.MonitorCertificate).
type Monitor struct {
	Bundle []*x509.Certificate
	Leaf   Leaf
}

// Data of the Secret, with the keys of type kubernetes.io/tls.
func (m Monitor) Data() (map[string][]byte, error) {
	data := map[string][]byte{FileMonitorCA: EncodeCertificates(m.Bundle...)}
	return data, putPair(data, "tls", m.Leaf.Certificate, m.Leaf.Key)
}

// ParseMonitor reads what Data wrote, as ParseMounted does.
func ParseMonitor(data map[string][]byte) (Monitor, error) {
	bundle, bundleErr := ParseCertificates(data[FileMonitorCA])
	leaf, leafErr := ParseLeaf(data[FileMonitor], data[FileMonitorKey])
	return Monitor{Bundle: bundle, Leaf: leaf}, errors.Join(bundleErr, leafErr)
}

// ParseLeaf reads a certificate and its key.
func ParseLeaf(certificate, key []byte) (Leaf, error) {
	certificates, err := ParseCertificates(certificate)
	if err != nil {
		return Leaf{}, err
	}
	parsed, err := ParseKey(key)
	if err != nil {
		return Leaf{}, err
	}
	if len(certificates) != 1 || !parsed.PublicKey.Equal(certificates[0].PublicKey) {
		return Leaf{}, errors.New("the key is not the certificate's")
	}
	return Leaf{Certificate: certificates[0], Key: parsed}, nil
}

// Hash of a Secret's data: equal content, equal hash; two Secrets need not be compared byte by byte,
// and none of the content can be read from it.
func Hash(data map[string][]byte) string {
	sum := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(data)) {
		for _, part := range [][]byte{[]byte(key), data[key]} {
			sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
			sum.Write(part)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func putPair(data map[string][]byte, name string, certificate *x509.Certificate, key *ecdsa.PrivateKey) error {
	if certificate == nil {
		return nil
	}
	data[name+suffixCert] = EncodeCertificates(certificate)
	if key == nil {
		return nil
	}
	encoded, err := EncodeKey(key)
	if err != nil {
		return err
	}
	data[name+suffixKey] = encoded
	return nil
}
