//go:build e2e

package e2e

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/timonier-io/timonier/internal/naming"
)

// TestAuthoritiesAreRotatedUnderOpenConnections has them live for five minutes, the shortest there is, since a
// changed Secret may take a minute and a half to arrive in a pod. That takes minutes, so it does not run alone: the clusters
// of the tests beside it are rotated as well, which no connection and no instance is to notice.
func TestAuthoritiesAreRotatedUnderOpenConnections(t *testing.T) {
	t.Parallel()
	deployOperator(t, `patches:
  - target: {kind: Deployment, name: timonier-operator}
    patch: |
      - {op: add, path: /spec/template/spec/containers/0/args/-, value: --authority-lifetime=5m}
      - {op: add, path: /spec/template/spec/containers/0/args/-, value: --certificate-lifetime=5m}
`)
	c := newSpace(t).create("rotated")
	c.waitReady()
	before := c.processes()
	former := c.signer()
	if life := former.NotAfter.Sub(former.NotBefore); life > time.Hour {
		t.Fatalf("the authority lives for %s", life)
	}
	w := c.underLoad()
	open := c.open()

	// With so short a life the successor is made known at once; the server's certificate follows when all trust it.
	eventually(t, 8*time.Minute, "a new client that trusts only the new authority connects", func() error {
		if _, err := open.Exec(t.Context(), "SELECT 1"); err != nil {
			t.Fatalf("the connection that was open has ended: %v", err)
		}
		return c.connectTrustingOthersThan(former)
	})
	eventually(t, 8*time.Minute, "the former authority is dropped", func() error {
		for _, authority := range c.authorities() {
			if authority.Equal(former) {
				return errors.New("it is still trusted")
			}
		}
		return nil
	})
	if _, err := open.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("the connection that was open has ended: %v", err)
	}
	for _, standby := range c.standbys() {
		c.mustStream(standby)
	}
	// The instances trust each other anew as well: one that starts now clones and follows.
	c.loseVolume(c.standbys()[0])
	c.waitReady()
	w.finish(0)
	c.mustBeUntouched(before, c.primary())
}

// authorities that a client is told to trust.
func (c *cluster) authorities() []*x509.Certificate {
	c.t.Helper()
	secret := &corev1.Secret{}
	c.mustFind(naming.RoleSecret(c.name, naming.DefaultRole), secret)
	var authorities []*x509.Certificate
	for rest := secret.Data["ca.crt"]; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return authorities
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			c.t.Fatal(err)
		}
		authorities = append(authorities, certificate)
	}
}

// signer of the server's present certificate.
func (c *cluster) signer() *x509.Certificate {
	c.t.Helper()
	for _, authority := range c.authorities() {
		if c.connectTrusting(authority) == nil {
			return authority
		}
	}
	c.t.Fatal("the server's certificate is signed by none of the authorities in the Secret")
	return nil
}

func (c *cluster) connectTrustingOthersThan(former *x509.Certificate) error {
	var successors []*x509.Certificate
	for _, authority := range c.authorities() {
		if !authority.Equal(former) {
			successors = append(successors, authority)
		}
	}
	return c.connectTrusting(successors...)
}

func (c *cluster) connectTrusting(authorities ...*x509.Certificate) error {
	as, err := c.credentials(naming.DefaultRole)
	if err != nil {
		return err
	}
	as.authorities = x509.NewCertPool()
	for _, authority := range authorities {
		as.authorities.AddCert(authority)
	}
	connection, err := c.connectWith(c.t.Context(), as)
	if err == nil {
		closeQuietly(connection)
	}
	return err
}
