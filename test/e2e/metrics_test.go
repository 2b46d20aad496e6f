//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/internal/naming"
)

func TestMetricsAreReadWithTheMonitorsCertificateAndNothingElseIs(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("measured", instances(2))
	c.waitReady()
	monitor, stranger := c.monitorClient(true), c.monitorClient(false)
	for _, pod := range c.instancePods() {
		url := "https://" + net.JoinHostPort(pod.Status.PodIP, fmt.Sprint(naming.PortAPI))
		status, body, err := fetch(t, monitor(pod.Name), url+"/metrics")
		if err != nil || status != http.StatusOK || !strings.Contains(body, "timonier_postgres_up 1") {
			t.Errorf("the metrics of %s: %d %.200s (%v)", pod.Name, status, body, err)
		}
		if status, _, err := fetch(t, monitor(pod.Name), url+"/v1/status"); err != nil || status != http.StatusForbidden {
			t.Errorf("the status of %s is answered to the monitor with %d (%v)", pod.Name, status, err)
		}
		if status, _, err := fetch(t, stranger(pod.Name), url+"/metrics"); err == nil {
			t.Errorf("without a certificate %s answers %d", pod.Name, status)
		}
		if readers := c.mustSuperuser(pod.Name, "postgres", metricsReaders); readers != naming.MonitorRole {
			t.Errorf("the metrics of %s are read by %q, not by %s", pod.Name, readers, naming.MonitorRole)
		}
	}

	eventually(t, saidWithin, "the operator's metrics tell of the cluster", func() error {
		operator, err := findOperatorPod(t.Context())
		if err != nil {
			return err // another test may be replacing it
		}
		body, err := tryKubectl(t.Context(), "get", "--raw", "/api/v1/namespaces/"+operatorNamespace+"/pods/"+operator.Name+":8080/proxy/metrics")
		if err != nil {
			return err
		}
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, "timonier_cluster_condition{") && strings.Contains(line, `namespace="`+c.space.name+`"`) &&
				strings.Contains(line, `type="Ready"`) && strings.Contains(line, `status="True"`) && strings.HasSuffix(strings.TrimSpace(line), " 1") {
				return nil
			}
		}
		return errors.New("they do not say that it is Ready")
	})
}

// metricsReaders are the roles of the sessions in which metrics are read, which the instance manager keeps open.
const metricsReaders = `SELECT string_agg(DISTINCT usename || CASE WHEN rolsuper THEN ' (superuser)' ELSE '' END, ', ')
	FROM pg_stat_activity JOIN pg_roles ON rolname = usename WHERE application_name = 'timonier metrics'`

// monitorClient gives for an instance a client that verifies it, with the certificate of the monitor or without.
func (c *cluster) monitorClient(withCertificate bool) func(instance string) *http.Client {
	c.t.Helper()
	secret := &corev1.Secret{}
	c.mustFind(naming.MonitorCertificate(c.name), secret)
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(secret.Data["ca.crt"])
	config := &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12}
	if withCertificate {
		certificate, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
		if err != nil {
			c.t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return func(instance string) *http.Client {
		config := config.Clone()
		config.ServerName = naming.InstanceHost(c.name, c.space.name, instance)
		return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	}
}

func fetch(t *testing.T, from *http.Client, url string) (status int, body string, err error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := from.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }() // only read
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

// operatorPod is the one that runs.
func operatorPod(t *testing.T) *corev1.Pod {
	t.Helper()
	pod, err := findOperatorPod(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

func findOperatorPod(ctx context.Context) (*corev1.Pod, error) {
	var pods corev1.PodList
	err := kube.List(ctx, &pods, client.InNamespace(operatorNamespace), client.MatchingLabels{"app.kubernetes.io/name": operatorName})
	if err != nil {
		return nil, err
	}
	for i := range pods.Items {
		if pods.Items[i].DeletionTimestamp.IsZero() {
			return &pods.Items[i], nil
		}
	}
	return nil, errors.New("there is no operator")
}
