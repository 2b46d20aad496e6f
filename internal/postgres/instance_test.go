//go:build integration

package postgres_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os/user"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

// instance starts a server exactly as an instance has it: initdb's arguments, postgresql.conf,
// pg_hba.conf and pg_ident.conf are what this package makes of them. Only where it listens is the test's.
func instance(t *testing.T, programs pgtest.Programs, in postgres.SettingsInput, hba postgres.HBAInput) *pgtest.Server {
	t.Helper()
	return instanceWith(t, programs, in, hba, newAuthority(t), nil)
}

func instanceWith(t *testing.T, programs pgtest.Programs, in postgres.SettingsInput, hba postgres.HBAInput, peers authority, settings map[string]string) *pgtest.Server {
	t.Helper()
	hba.OSUser = osUser(t)
	arguments, err := postgres.InitdbArguments(postgres.InitdbInput{Major: programs.Major, DataDirectory: "overridden"})
	if err != nil {
		t.Fatal(err)
	}
	certificate, key := peers.issue(t, "server")
	in.Major, in.Instance, in.PrimarySlotName = programs.Major, "demo-1", naming.Slot("demo-1")
	in.CertificateFile, in.KeyFile, in.CAFile = "tls.crt", "tls.key", "ca.crt"
	in.LogDirectory, in.LogFile = "log", "postgresql.log"
	in.MemoryBytes, in.WALVolumeBytes = 512<<20, 2<<30
	return pgtest.Run(t, programs, pgtest.Options{
		InitdbArguments: arguments,
		Settings:        settings,
		Port:            pgtest.FreePort(t),
		Files: map[string]string{
			"postgresql.conf": postgres.RenderSettings(in),
			"pg_hba.conf":     postgres.RenderHBA(hba),
			"pg_ident.conf":   postgres.RenderIdent(hba),
			"tls.crt":         certificate,
			"tls.key":         key,
			"ca.crt":          peers.certificate,
		},
	})
}

// osUser is who the tests run as: the server sees that name at the other end of its socket.
func osUser(t *testing.T) string {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return me.Username
}

// authority issues certificates.
type authority struct {
	parsed      *x509.Certificate
	key         *ecdsa.PrivateKey
	certificate string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := authority{key: key, parsed: &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}}
	der, err := x509.CreateCertificate(rand.Reader, a.parsed, a.parsed, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a.certificate = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return a
}

// issue makes a certificate for a common name, as PEM with its key.
func (a authority) issue(t *testing.T, name string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.parsed, private.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// client is a client's TLS, verified in full; name "" is one without a certificate.
func (a authority) client(t *testing.T, name string) *tls.Config {
	t.Helper()
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
	config.RootCAs.AppendCertsFromPEM([]byte(a.certificate))
	if name != "" {
		certificate, key := a.issue(t, name)
		pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}
