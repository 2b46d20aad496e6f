//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	corev1 "k8s.io/api/core/v1"

	"github.com/timonier-io/timonier/internal/naming"
)

// socket is where an instance's PostgreSQL is reached within its pod.
const socket = "/run/timonier/socket"

// superuser runs SQL as the superuser, which is possible over the socket in the pod alone.
func (c *cluster) superuser(instance, database, sql string) (string, error) {
	return c.exec(instance, "psql", "-h", socket, "-U", naming.Superuser, "-d", database, "-v", "ON_ERROR_STOP=1", "-XAtc", sql)
}

func (c *cluster) mustSuperuser(instance, database, sql string) string {
	c.t.Helper()
	out, err := c.superuser(instance, database, sql)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// credentials of a role, from its Secret.
type credentials struct {
	user, password, database string
	authorities              *x509.CertPool
}

func (c *cluster) credentials(role string) (credentials, error) {
	secret := &corev1.Secret{}
	if err := c.find(naming.RoleSecret(c.name, role), secret); err != nil {
		return credentials{}, err
	}
	found := credentials{
		user: string(secret.Data["username"]), password: string(secret.Data["password"]), database: string(secret.Data["dbname"]),
		authorities: x509.NewCertPool(),
	}
	if !found.authorities.AppendCertsFromPEM(secret.Data["ca.crt"]) {
		return found, errors.New("the Secret has no certificate in ca.crt")
	}
	return found, nil
}

// dial opens a connection to an address, verifying that the server is who it is called. It waits no longer than
// five seconds.
func dial(ctx context.Context, address, serverName string, as credentials) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	config, err := pgx.ParseConfig("sslmode=disable port=5432 host=" + address)
	if err != nil {
		return nil, err
	}
	config.User, config.Password, config.Database = as.user, as.password, as.database
	config.TLSConfig = &tls.Config{RootCAs: as.authorities, ServerName: serverName, MinVersion: tls.VersionTLS12}
	config.Fallbacks = nil
	return pgx.ConnectConfig(ctx, config)
}

// loadBalancer is the address that a Service was given.
func (c *cluster) loadBalancer(service string) (string, error) {
	found := &corev1.Service{}
	if err := c.find(service, found); err != nil {
		return "", err
	}
	if len(found.Status.LoadBalancer.Ingress) == 0 {
		return "", fmt.Errorf("Service %s has no address yet", service)
	}
	return found.Status.LoadBalancer.Ingress[0].IP, nil
}

// connectWith opens a connection to the primary from this machine, through the Service <c>-rw.
func (c *cluster) connectWith(ctx context.Context, as credentials) (*pgx.Conn, error) {
	service := naming.PrimaryService(c.name)
	address, err := c.loadBalancer(service)
	if err != nil {
		return nil, err
	}
	return dial(ctx, address, naming.ServiceHost(service, c.space.name), as)
}

// connect as the role app, with what its Secret says now.
func (c *cluster) connect(ctx context.Context) (*pgx.Conn, error) {
	as, err := c.credentials(naming.DefaultRole)
	if err != nil {
		return nil, err
	}
	return c.connectWith(ctx, as)
}

// open a connection as the role app, which the test closes; the primary is there, or comes soon.
func (c *cluster) open() *pgx.Conn {
	c.t.Helper()
	var connection *pgx.Conn
	eventually(c.t, readyWithin, "the primary takes connections", func() (err error) {
		connection, err = c.connect(c.t.Context())
		return err
	})
	c.t.Cleanup(func() { closeQuietly(connection) })
	return connection
}

// sql runs a statement as the role app on the primary; it must succeed.
func (c *cluster) sql(statement string) {
	c.t.Helper()
	connection := c.open()
	defer closeQuietly(connection)
	if _, err := connection.Exec(c.t.Context(), statement); err != nil {
		c.t.Fatalf("%s: %v", statement, err)
	}
}

// value that a query as the role app gives on the primary, as text.
func (c *cluster) value(query string) string {
	c.t.Helper()
	connection := c.open()
	defer closeQuietly(connection)
	var value string
	if err := connection.QueryRow(c.t.Context(), query).Scan(&value); err != nil {
		c.t.Fatalf("%s: %v", query, err)
	}
	return value
}

// process is what would change if an instance were restarted.
type process struct {
	pod        string
	restarts   int32
	postmaster string
}

// postmasterIdentity changes with each start of postgres.
const postmasterIdentity = `SELECT pg_postmaster_start_time(), split_part(pg_read_file('postmaster.pid'), E'\n', 1)`

// processes of all instances.
func (c *cluster) processes() map[string]process {
	c.t.Helper()
	all := map[string]process{}
	for _, pod := range c.instancePods() {
		all[pod.Name] = c.process(pod.Name)
	}
	return all
}

func (c *cluster) process(instance string) process {
	c.t.Helper()
	pod := c.pod(instance)
	return process{pod: string(pod.UID), restarts: restarts(pod), postmaster: c.mustSuperuser(instance, "postgres", postmasterIdentity)}
}

// restarts of a pod's containers.
func restarts(pod *corev1.Pod) (count int32) {
	for _, status := range pod.Status.ContainerStatuses {
		count += status.RestartCount
	}
	return count
}

// mustBeUntouched: none of these instances was restarted since then.
func (c *cluster) mustBeUntouched(before map[string]process, names ...string) {
	c.t.Helper()
	for _, name := range names {
		if now := c.process(name); now != before[name] {
			c.t.Errorf("%s was restarted: it was %+v, and is %+v", name, before[name], now)
		}
	}
}

// mustKeepContainers: none of these instances' containers was restarted since then; their PostgreSQL may have been.
func (c *cluster) mustKeepContainers(before map[string]process, names ...string) {
	c.t.Helper()
	for _, name := range names {
		if now := c.pod(name); string(now.UID) != before[name].pod || restarts(now) != before[name].restarts {
			c.t.Errorf("the container of %s was restarted, where restarting PostgreSQL was enough", name)
		}
	}
}

// names of instances in a map of their processes.
func names(processes map[string]process) []string {
	var all []string
	for name := range processes {
		all = append(all, name)
	}
	return all
}

// refusedWith tells whether an error holds one of these words: why a server refused.
func refusedWith(err error, words ...string) error {
	if err == nil {
		return errors.New("it was not refused")
	}
	for _, word := range words {
		if strings.Contains(err.Error(), word) {
			return nil
		}
	}
	return fmt.Errorf("it was refused for another reason: %w", err)
}

func closeQuietly(connection *pgx.Conn) { _ = connection.Close(context.Background()) }
