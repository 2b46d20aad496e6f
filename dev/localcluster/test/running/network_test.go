//go:build cluster

package running

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/timonier-io/timonier/dev/localcluster/test/testcluster"
)

const webServer = "mkdir /tmp/www && echo hello from the other side > /tmp/www/index.html && httpd -f -p 8080 -h /tmp/www"

func TestAPodResolvesAndReachesAServiceOnAnotherNode(t *testing.T) {
	n := testcluster.NewNamespace(t)
	n.Start(testcluster.Pod{Name: "server", Node: "node-1", Command: webServer})
	n.Start(testcluster.Pod{Name: "client", Node: "node-2"})
	n.Apply(`{apiVersion: v1, kind: Service, metadata: {name: server}, spec: {selector: {app: server}, ports: [{name: http, port: 80, targetPort: 8080}]}}`)
	n.Running("server")
	n.Running("client")

	for _, name := range []string{"server", "server." + n.Name + ".svc.cluster.local"} {
		testcluster.Eventually(t, 10*time.Second, "the client reaches http://"+name, func() error {
			out, err := n.TrySh("client", "probe http://"+name)
			if err == nil && !strings.Contains(out, "hello") {
				err = fmt.Errorf("the answer is %q", out)
			}
			return err
		})
	}
}

func TestTheAPIServerIsReachedFromAPodByItsName(t *testing.T) {
	n := testcluster.NewNamespace(t)
	n.Run(testcluster.Pod{Name: "client"})
	out, err := n.TrySh("client", "probe http://kubernetes.default.svc:443")
	// It wants TLS and says so: the answer is the API server's own.
	if !strings.Contains(out+fmt.Sprint(err), "400 Bad Request") {
		t.Errorf("the API server does not answer a pod: %q, %v", out, err)
	}
}

func TestALoadBalancerIsReachedFromTheHostAndHonoursSourceRanges(t *testing.T) {
	n := testcluster.NewNamespace(t)
	n.Start(testcluster.Pod{Name: "server", Node: "node-2", Command: webServer})
	service := func(ranges string) string {
		return fmt.Sprintf(`{apiVersion: v1, kind: Service, metadata: {name: server}, spec: {type: LoadBalancer, selector: {app: server},
  loadBalancerSourceRanges: %s, ports: [{name: http, port: 80, targetPort: 8080}]}}`, ranges)
	}
	n.Apply(service("[10.90.0.1/32]"))
	n.Running("server")
	var address string
	testcluster.Eventually(t, 10*time.Second, "the Service gets an address", func() (err error) {
		address, err = n.Try("get", "service", "server", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
		if err == nil && address == "" {
			err = fmt.Errorf("it has none")
		}
		return err
	})

	testcluster.Eventually(t, 10*time.Second, "the host is let in", func() error { return get(t, address) })
	n.Apply(service("[192.0.2.0/24]"))
	testcluster.Eventually(t, 10*time.Second, "the host is kept out", func() error {
		if get(t, address) == nil {
			return fmt.Errorf("it is still let in")
		}
		return nil
	})
	n.Apply(service("[10.90.0.0/24]"))
	testcluster.Eventually(t, 10*time.Second, "the host is let in again", func() error { return get(t, address) })
}

func TestALoadBalancerOfAnotherClassIsLeftAlone(t *testing.T) {
	n := testcluster.NewNamespace(t)
	n.Apply(`{apiVersion: v1, kind: Service, metadata: {name: theirs}, spec: {type: LoadBalancer, loadBalancerClass: example.com/theirs, ports: [{name: http, port: 80}]}}`)
	n.Apply(`{apiVersion: v1, kind: Service, metadata: {name: ours}, spec: {type: LoadBalancer, loadBalancerClass: localcluster.timonier.io/lb, ports: [{name: http, port: 80}]}}`)
	const ip = "jsonpath={.status.loadBalancer.ingress[0].ip}"
	testcluster.Eventually(t, 10*time.Second, "our Service gets an address", func() error {
		if address, err := n.Try("get", "service", "ours", "-o", ip); err != nil || address == "" {
			return fmt.Errorf("it has none: %w", errors.Join(errors.New("wanted an address"), err))
		}
		return nil
	})
	if address := n.Kubectl("get", "service", "theirs", "-o", ip); address != "" {
		t.Errorf("the Service of another class got the address %s", address)
	}
}

func get(t *testing.T, address string) error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address, nil)
	if err != nil {
		return err
	}
	request.Close = true // a connection that is open already is past the firewall
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && !strings.Contains(string(body), "hello") {
		err = fmt.Errorf("the answer is %q", body)
	}
	return err
}
