//go:build integration

package instance

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
)

const password = "of-the-application"

// grant makes the role and database of an application.
func (p *pod) grant() {
	p.w.t.Helper()
	verifier, err := postgres.SCRAMVerifier(password, rand.Reader)
	p.w.check(err)
	p.w.eventually(p.name+" takes roles and databases", func() bool {
		report, err := p.client.Grant(p.w.ctx, instanceapi.Access{
			Roles:     []instanceapi.Role{{Name: "app", Login: true, Inherit: true, ConnectionLimit: -1, Verifier: verifier}},
			Databases: []instanceapi.Database{{Name: "app", Owner: "app"}},
		})
		if err == nil && len(report.Roles)+len(report.Databases) > 0 {
			p.w.t.Fatalf("not as asked: %+v", report)
		}
		return err == nil
	})
}

// connect as the application would: over TCP, verified, with a password.
func (p *pod) connect() (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d user=app password=%s dbname=app connect_timeout=3", p.w.address(p.ordinal), naming.PortPostgres, password))
	if err != nil {
		return nil, err
	}
	config.TLSConfig, config.Fallbacks = p.verified(), nil
	return pgx.ConnectConfig(p.w.ctx, config)
}

// verified is how a client knows that it speaks to this instance.
func (p *pod) verified() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(p.w.clients.Certificate)
	return &tls.Config{RootCAs: roots, ServerName: naming.InstanceHost(clusterName, p.w.namespace, p.name), MinVersion: tls.VersionTLS12}
}

// query runs one statement, for ten seconds at most: whoever asks again and again is not to hang with one try.
func (p *pod) query(sql string) (string, error) {
	ctx, cancel := context.WithTimeout(p.w.ctx, 10*time.Second)
	defer cancel()
	return p.ask(ctx, sql)
}

// ask runs one statement and returns its first column as text; "" with an error.
func (p *pod) ask(ctx context.Context, sql string) (string, error) {
	conn, err := p.connect()
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(p.w.ctx))
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var text string
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return "", err
		}
		if len(values) > 0 {
			text = fmt.Sprint(values[0])
		}
	}
	return text, rows.Err()
}

// must runs a statement that cannot fail, and that may take long: it may write much, or wait for standbys.
func (p *pod) must(sql string) string {
	p.w.t.Helper()
	text, err := p.ask(p.w.ctx, sql)
	if err != nil {
		p.w.t.Fatalf("%s on %s: %v", sql, p.name, err)
	}
	return text
}

// once inserts a note for a try that is repeated: the one before may have inserted it, and its answer was lost.
func once(text string) string {
	return fmt.Sprintf("INSERT INTO notes SELECT '%[1]s' WHERE NOT EXISTS (SELECT FROM notes WHERE text = '%[1]s')", text)
}

// reads waits until a query returns a text.
func (p *pod) reads(sql, want string) {
	p.w.t.Helper()
	p.w.eventually(fmt.Sprintf("%s on %s returns %s", sql, p.name, want), func() bool {
		text, err := p.query(sql)
		return err == nil && text == want
	})
}
