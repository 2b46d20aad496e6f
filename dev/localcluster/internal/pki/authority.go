// Package pki makes the cluster's certificates. One authority signs all of them; it is made by `up`
// and removed by `down`, so nothing is ever renewed.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// lifetime is longer than any local cluster lives.
const lifetime = 10 * 365 * 24 * time.Hour

// Authority signs certificates into a directory.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Open reads the authority of a directory, or makes it there.
func Open(dir string) (*Authority, error) {
	a := &Authority{dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the directory of the certificates: %w", err)
	}
	if _, err := os.Stat(a.Cert("ca")); err == nil {
		return a, a.read()
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "localcluster"},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	if err := a.sign("ca", template); err != nil {
		return nil, err
	}
	return a, a.read()
}

// Cert is the path of a certificate.
func (a *Authority) Cert(name string) string { return filepath.Join(a.dir, name+".crt") }

// Key is the path of a certificate's key.
func (a *Authority) Key(name string) string { return filepath.Join(a.dir, name+".key") }

// Issue makes a certificate for a client or server, unless it is there already. The user and group
// are what the API server takes from it; hosts are names and addresses it may serve.
func (a *Authority) Issue(name, user, group string, hosts ...string) error {
	if _, err := os.Stat(a.Cert(name)); err == nil {
		return nil
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: user},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if group != "" {
		template.Subject.Organization = []string{group}
	}
	for _, h := range hosts {
		if address := net.ParseIP(h); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	return a.sign(name, template)
}

func (a *Authority) sign(name string, template *x509.Certificate) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour) // the machine's clock may be set back a little
	template.NotAfter = time.Now().Add(lifetime)
	parent, signer := a.cert, a.key
	if parent == nil { // the authority itself
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return fmt.Errorf("signing the certificate %s: %w", name, err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	// The certificate is written last: Issue takes its presence for the whole.
	if err := write(a.Key(name), "EC PRIVATE KEY", keyDER); err != nil {
		return err
	}
	return write(a.Cert(name), "CERTIFICATE", der)
}

func (a *Authority) read() error {
	cert, err := readBlock(a.Cert("ca"))
	if err != nil {
		return err
	}
	key, err := readBlock(a.Key("ca"))
	if err != nil {
		return err
	}
	if a.cert, err = x509.ParseCertificate(cert); err != nil {
		return fmt.Errorf("reading %s: %w", a.Cert("ca"), err)
	}
	if a.key, err = x509.ParseECPrivateKey(key); err != nil {
		return fmt.Errorf("reading %s: %w", a.Key("ca"), err)
	}
	return nil
}

func readBlock(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s is damaged: run `localcluster down`, then `up`", path)
	}
	return block.Bytes, nil
}

func write(path, kind string, der []byte) error {
	data := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	temporary := path + ".new"
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(temporary, path) // never half a file, should we be killed
}
