package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
)

// Plug makes a node's network namespace, its cable to the bridge and its routes to the pods of the
// other nodes, number 1 to count. It changes nothing where that is there already.
func Plug(ctx context.Context, number, count int) error {
	node := layout.NodeName(number)
	netns, link := layout.NetNS(node), layout.Link(node)
	if _, err := os.Stat(filepath.Join("/run/netns", netns)); os.IsNotExist(err) || !Exists(link) {
		if err := Unplug(ctx, node); err != nil { // a half-made one
			return err
		}
		if err := makeNode(ctx, number, netns, link); err != nil {
			return fmt.Errorf("making the network of %s: %w", node, err)
		}
	}
	// The routes are set again every time: the number of nodes may have grown.
	return ip(ctx, netns, podRoutes(number, count)...)
}

func makeNode(ctx context.Context, number int, netns, link string) error {
	if err := ip(ctx, "", "netns add "+netns,
		"link add "+link+" type veth peer name eth0 netns "+netns,
		"link set "+link+" master "+layout.Bridge+" up",
	); err != nil {
		return err
	}
	if err := ip(ctx, netns, "link set lo up",
		"addr add "+layout.NodeAddress(number)+layout.NodePrefix+" dev eth0",
		"link set eth0 up",
		// There is nothing beyond the host. Saying so at once beats letting programs wait. What
		// kube-proxy redirects must have a route all the same, as it is looked at afterwards.
		"route add unreachable default",
		"route add "+layout.Services+" via "+layout.HostAddress,
		"route add "+layout.LoadBalancers+" via "+layout.HostAddress,
	); err != nil {
		return err
	}
	err := run(ctx, "ip", "netns", "exec", netns, "sysctl", "-qw", "net.ipv4.ip_forward=1")
	if err != nil {
		return err
	}
	// The host reaches pods too: tests and the API server's webhooks talk to them directly.
	return ip(ctx, "", "route replace "+layout.PodRange(number)+" via "+layout.NodeAddress(number))
}

func podRoutes(number, count int) []string {
	var routes []string
	for other := 1; other <= count; other++ {
		if other != number {
			routes = append(routes, "route replace "+layout.PodRange(other)+" via "+layout.NodeAddress(other))
		}
	}
	return routes
}

// Unplug removes a node's namespace and cable.
func Unplug(ctx context.Context, node string) error {
	var lines []string
	if Exists(layout.Link(node)) {
		lines = append(lines, "link delete "+layout.Link(node))
	}
	if _, err := os.Stat(filepath.Join("/run/netns", layout.NetNS(node))); err == nil {
		lines = append(lines, "netns delete "+layout.NetNS(node))
	}
	if len(lines) == 0 {
		return nil
	}
	if err := ip(ctx, "", lines...); err != nil {
		return fmt.Errorf("removing the network of %s: %w", node, err)
	}
	return nil
}

// Plugged lists the nodes that have a namespace or a cable, also half-made ones.
func Plugged() []string {
	seen := map[string]bool{}
	entries, _ := os.ReadDir("/run/netns")
	for _, e := range entries {
		seen[e.Name()] = true
	}
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		seen[i.Name] = true
	}
	var nodes []string
	for name := range seen {
		node, ours := strings.CutPrefix(name, layout.NetNS(""))
		if _, err := layout.NodeNumber(node); ours && err == nil {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// ForgetNamespaces undoes what the first `ip netns add` on a machine leaves for good: a mount of
// /run/netns on itself. Where somebody else has a namespace there it stays.
func ForgetNamespaces() error {
	entries, err := os.ReadDir("/run/netns")
	if err != nil || len(entries) > 0 {
		return nil
	}
	if err := unix.Unmount("/run/netns", 0); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("unmounting /run/netns: %w", err)
	}
	return os.Remove("/run/netns")
}
