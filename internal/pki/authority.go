package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"
)

// Backdating of every certificate, so that a peer whose clock is behind accepts it.
const Backdating = time.Minute

// Authority signs certificates. Without Key it can still be trusted, but not sign.
type Authority struct {
	Certificate *x509.Certificate
	// Key is nil where it was lost; see Plan.
	Key *ecdsa.PrivateKey
}

// Kind tells what an authority is for.
type Kind string

const (
	// KindPeer signs who may speak to an instance.
	KindPeer Kind = "peer"
	// KindClient signs the certificate that PostgreSQL shows to its clients.
	KindClient Kind = "client"
)

// Identity of an authority: it becomes the subject, so that a person who sees the certificate knows whose it is.
type Identity struct {
	Kind      Kind
	Namespace string
	Cluster   string
}

// Generate makes an authority that is valid for lifetime from now on. Its subject is unique, so that a
// verifier which finds issuers by subject never confuses an authority with its successor.
func Generate(now time.Time, random io.Reader, id Identity, lifetime time.Duration) (Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return Authority{}, fmt.Errorf("making the key of the %s authority: %w", id.Kind, err)
	}
	serial, err := newSerial(random)
	if err != nil {
		return Authority{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject: pkix.Name{
			// 64 bytes is the limit of each of these fields.
			Organization:       []string{id.Namespace},
			OrganizationalUnit: []string{id.Cluster},
			CommonName:         fmt.Sprintf("timonier %s authority %x", id.Kind, serial.Bytes()[:4]),
		},
		NotBefore:             now.Add(-Backdating),
		NotAfter:              now.Add(lifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	raw, err := x509.CreateCertificate(random, template, template, key.Public(), key)
	if err != nil {
		return Authority{}, fmt.Errorf("signing the %s authority: %w", id.Kind, err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		return Authority{}, fmt.Errorf("reading back the %s authority: %w", id.Kind, err)
	}
	return Authority{Certificate: certificate, Key: key}, nil
}

// newSerial is random in 127 bits, never zero and never shorter than 4 bytes.
func newSerial(random io.Reader) (*big.Int, error) {
	raw := make([]byte, 16)
	if _, err := io.ReadFull(random, raw); err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	raw[0] = raw[0]&0x7f | 0x40
	return new(big.Int).SetBytes(raw), nil
}

// Exists tells an authority from the zero one.
func (a Authority) Exists() bool { return a.Certificate != nil }

// CanSign tells whether the key is there.
func (a Authority) CanSign() bool { return a.Certificate != nil && a.Key != nil }

// Fingerprint of the authority's certificate, "" where there is none.
func (a Authority) Fingerprint() string {
	if a.Certificate == nil {
		return ""
	}
	return Fingerprint(a.Certificate)
}

// signed tells whether this certificate was signed by this authority.
func (a Authority) signed(certificate *x509.Certificate) bool {
	return a.Certificate != nil && verified.holds(a.Certificate, certificate)
}

// expired tells whether nothing this authority signed is valid any more.
func (a Authority) expired(now time.Time) bool { return !now.Before(a.Certificate.NotAfter) }

// Fingerprint is the SHA-256 of the certificate in lower-case hexadecimal digits: how certificates are named in instanceapi.CertificateReport.
func Fingerprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return hex.EncodeToString(sum[:])
}

// EncodeCertificates as PEM, in this order.
func EncodeCertificates(certificates ...*x509.Certificate) []byte {
	var out bytes.Buffer
	for _, certificate := range certificates {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}))
	}
	return out.Bytes()
}

// ParseCertificates reads PEM; it refuses anything that is not a certificate, and an empty text.
func ParseCertificates(text []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for rest := bytes.TrimSpace(text); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, errors.New("not a PEM certificate")
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading certificate %d: %w", len(out)+1, err)
		}
		out = append(out, certificate)
	}
	if len(out) == 0 {
		return nil, errors.New("no certificate")
	}
	return out, nil
}

// EncodeKey as PEM in PKCS #8, which PostgreSQL, libpq and JDBC read alike.
func EncodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), nil
}

// ParseKey reads what EncodeKey wrote. Errors never contain the text.
func ParseKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("not a PEM private key")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("not a private key in PKCS #8")
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("not an ECDSA private key")
	}
	return key, nil
}

// ParseAuthority reads a certificate and its key. With a certificate that is sound and a key that is
// not, it returns the authority without key, and the error.
func ParseAuthority(certificate, key []byte) (Authority, error) {
	certificates, err := ParseCertificates(certificate)
	if err != nil {
		return Authority{}, err
	}
	if len(certificates) != 1 || !certificates[0].IsCA {
		return Authority{}, errors.New("not the certificate of one authority")
	}
	out := Authority{Certificate: certificates[0]}
	parsed, err := ParseKey(key)
	if err != nil {
		return out, err
	}
	if !parsed.PublicKey.Equal(out.Certificate.PublicKey) {
		return out, errors.New("the key is not the certificate's")
	}
	out.Key = parsed
	return out, nil
}
