package pki

import (
	"crypto/x509"
	"os"
	"slices"
	"testing"
)

func TestACertificateIsTrustedThroughItsAuthorityAlsoAfterARestart(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); err != nil {
		t.Fatal(err)
	}
	authority, err := Open(dir) // as the next command does
	if err != nil {
		t.Fatal(err)
	}
	if err := authority.Issue("node-1", "system:node:node-1", "system:nodes", "10.90.0.11", "node-1"); err != nil {
		t.Fatal(err)
	}
	der, err := readBlock(authority.Cert("node-1"))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(authority.Cert("ca"))
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("the authority's certificate cannot be read: %v", err)
	}
	for _, host := range []string{"10.90.0.11", "node-1"} {
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Errorf("the certificate does not serve %s: %v", host, err)
		}
	}
	if cert.Subject.CommonName != "system:node:node-1" || !slices.Contains(cert.Subject.Organization, "system:nodes") {
		t.Errorf("the API server would take it for %s", cert.Subject)
	}
}
