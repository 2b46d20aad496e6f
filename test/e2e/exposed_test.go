//go:build e2e

package e2e

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// hostAddress is this machine's own on the network of the nodes: the one at which its API server listens.
func hostAddress(t *testing.T) string {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	server, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	return server.Hostname()
}

// secondAddress gives this machine another address on that network, until the test ends.
func secondAddress(t *testing.T, first string) string {
	t.Helper()
	second := net.ParseIP(first).To4()
	second[3] = 250
	out, err := exec.CommandContext(t.Context(), "ip", "-o", "-4", "address").Output()
	if err != nil {
		t.Fatalf("looking for the network of the nodes: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) > 3 && strings.HasPrefix(fields[3], first+"/") {
			address := []string{"address", "replace", second.String() + "/32", "dev", fields[1]}
			mustRun(t, "ip", address...)
			t.Cleanup(func() {
				address[1] = "delete"
				if _, err := run(context.Background(), "ip", address...); err != nil {
					t.Error(err)
				}
			})
			return second.String()
		}
	}
	t.Fatalf("no interface has the address %s", first)
	return ""
}

// connectFrom one of this machine's addresses, with the URI that the Secret has for clients outside.
func (c *cluster) connectFrom(source string) error {
	secret := &corev1.Secret{}
	if err := c.find(naming.RoleSecret(c.name, "app"), secret); err != nil {
		return err
	}
	uri := string(secret.Data["uri-external"])
	if uri == "" {
		return errors.New("the Secret has no uri-external")
	}
	as, err := c.credentials(naming.DefaultRole)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), 3*time.Second)
	defer cancel()
	config, err := pgx.ParseConfig(uri)
	if err != nil {
		return err
	}
	// As sslrootcert would: the URI itself asks for verify-full.
	if config.TLSConfig == nil || config.TLSConfig.ServerName == "" || config.TLSConfig.InsecureSkipVerify {
		return errors.New("the URI does not verify the server")
	}
	config.TLSConfig.RootCAs = as.authorities
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	config.DialFunc = dialer.DialContext
	connection, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	return connection.Close(ctx)
}

func TestALoadBalancerAdmitsTheSourcesThatAreAllowedAndNoOthers(t *testing.T) {
	t.Parallel()
	first := hostAddress(t)
	second := secondAddress(t, first)
	allow := func(source string) func(*spec) {
		return func(s *spec) {
			s.Services.Primary.Type = corev1.ServiceTypeLoadBalancer
			s.Services.Primary.LoadBalancerSourceRanges = []string{source + "/32"}
			s.Services.Primary.Hostnames = nil
		}
	}
	c := newSpace(t).create("exposed", instances(1), allow(first))
	c.waitReady()

	eventually(t, saidWithin, "the allowed source is let in", func() error { return c.connectFrom(first) })
	if err := c.connectFrom(second); refusedWith(err, "timeout", "refused", "deadline") != nil {
		t.Errorf("another source: %v", err)
	}
	if addresses := c.mustGet().Status.LoadBalancers.Primary; len(addresses) != 1 {
		t.Errorf("the status tells of the addresses %v", addresses)
	}

	c.edit(allow(second))
	eventually(t, saidWithin, "the source that is allowed now is let in", func() error { return c.connectFrom(second) })
	eventually(t, saidWithin, "the former one is kept out", func() error {
		return refusedWith(c.connectFrom(first), "timeout", "refused", "deadline")
	})

	// Names under which clients outside reach it are in the certificate, and in the URI.
	c.edit(func(s *spec) {
		s.Services.Primary = v1alpha1.ServiceTemplate{Type: corev1.ServiceTypeLoadBalancer, Hostnames: []string{"orders.example"}}
	})
	eventually(t, 3*time.Minute, "the server answers as orders.example", func() error {
		// Each time anew: another test may have the authorities rotated meanwhile.
		as, err := c.credentials(naming.DefaultRole)
		if err != nil {
			return err
		}
		address, err := c.loadBalancer(naming.PrimaryService(c.name))
		if err != nil {
			return err
		}
		connection, err := dial(t.Context(), address, "orders.example", as)
		if err == nil {
			closeQuietly(connection)
		}
		return err
	})
	secret := &corev1.Secret{}
	c.mustFind(naming.RoleSecret(c.name, "app"), secret)
	if !strings.Contains(string(secret.Data["uri-external"]), "@orders.example:5432/app") {
		t.Error("the Secret's uri-external does not have the host name")
	}

	// Back to a Service within the Kubernetes cluster.
	c.edit(func(s *spec) { s.Services.Primary = v1alpha1.ServiceTemplate{Type: corev1.ServiceTypeClusterIP} })
	eventually(t, saidWithin, "it has no address outside any more", func() error {
		service := &corev1.Service{}
		if err := c.find(naming.PrimaryService(c.name), service); err != nil {
			return err
		}
		if service.Spec.Type != corev1.ServiceTypeClusterIP || len(service.Spec.LoadBalancerSourceRanges) > 0 {
			return errors.New("the Service is still of type " + string(service.Spec.Type))
		}
		return nil
	})
}
