package loadbalancer

import (
	"context"
	"fmt"
	"log"
	"os/exec"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
)

// proxyHealthPort is where a kube-proxy says that it works.
const proxyHealthPort = 10256

// choose returns the address of the node that gets a Service's traffic: the present one until it is
// lost, then the first that passes the check; "" when none does. With externalTrafficPolicy Local only
// nodes with a pod of the Service do, which the Service's own health check tells.
func choose(ctx context.Context, s *corev1.Service, nodes []*corev1.Node, present string, checks *checks) string {
	port := proxyHealthPort
	if s.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal && s.Spec.HealthCheckNodePort != 0 {
		port = int(s.Spec.HealthCheckNodePort)
	}
	if present != "" && !checks.lost(ctx, endpoint{present, port}) {
		return present
	}
	for _, n := range sortedByName(nodes) {
		if address := internalAddress(n); address != "" && address != present && checks.passes(ctx, endpoint{address, port}) {
			return address
		}
	}
	return ""
}

func internalAddress(n *corev1.Node) string {
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			return a.Address
		}
	}
	return ""
}

// route makes the host's routes those that are wanted. A load balancer without a healthy node refuses
// connections at once, rather than letting them wait.
func (c controller) route(ctx context.Context, wanted map[string]string) error {
	for address, node := range wanted {
		if present, known := c.routes[address]; known && present == node {
			continue
		}
		route := []string{"replace", address, "via", node}
		if node == "" {
			route = []string{"replace", "unreachable", address}
		}
		// `replace` keeps apart routes of different types: the old one goes first.
		_ = ip(ctx, "del", address)
		if err := ip(ctx, route...); err != nil {
			return err
		}
		log.Printf("%s goes to %q", address, node)
		c.routes[address] = node
	}
	for address := range c.routes {
		if _, still := wanted[address]; !still {
			_ = ip(ctx, "del", address)
			delete(c.routes, address)
		}
	}
	return nil
}

func ip(ctx context.Context, args ...string) error {
	args = append([]string{"route"}, args...)
	if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// forgetRoutes removes what a controller before this one routed: it starts with what is true now.
func forgetRoutes(ctx context.Context) error {
	return ip(ctx, "flush", "root", layout.LoadBalancers)
}
