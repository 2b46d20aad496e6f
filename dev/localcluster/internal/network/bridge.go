package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
)

// CreateBridge makes the switch and gives the host its address on it. It changes nothing when
// the bridge is there.
func CreateBridge(ctx context.Context) error {
	if Exists(layout.Bridge) {
		return nil
	}
	if err := checkFree(); err != nil {
		return err
	}
	err := ip(ctx, "",
		"link add "+layout.Bridge+" type bridge",
		// Without a port a bridge has no carrier, and nothing could listen on its address yet.
		"addr add "+layout.HostAddress+layout.NodePrefix+" dev "+layout.Bridge+"",
		"link set "+layout.Bridge+" up",
	)
	if err != nil {
		return fmt.Errorf("making the bridge: %w", err)
	}
	return allowForwarding(ctx, true)
}

// DeleteBridge removes the bridge and with it all routes through it.
func DeleteBridge(ctx context.Context) error {
	if !Exists(layout.Bridge) {
		return nil
	}
	if err := allowForwarding(ctx, false); err != nil {
		return err
	}
	return ip(ctx, "", "link delete "+layout.Bridge)
}

// Exists tells whether the host has an interface of this name.
func Exists(name string) bool {
	_, err := net.InterfaceByName(name)
	return err == nil
}

// checkFree refuses to start over somebody else's network.
func checkFree() error {
	ours := netip.MustParsePrefix(layout.Network)
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("listing the machine's addresses: %w", err)
	}
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Overlaps(ours) {
			return fmt.Errorf("this machine already has the address %s, which lies in %s where the local cluster would be: "+
				"change the networks in internal/layout/addresses.go", a, layout.Network)
		}
	}
	return nil
}

// allowForwarding exempts the bridge where the host drops forwarded packets by default, as it does
// once Docker is installed: with br_netfilter that hits packets between two ports of a bridge.
func allowForwarding(ctx context.Context, allow bool) error {
	out, err := exec.CommandContext(ctx, "iptables", "-w", "-S", "FORWARD").Output()
	if err != nil {
		return nil // no iptables in use, so no policy of its
	}
	rules := string(out)
	for _, direction := range []string{"-i", "-o"} {
		rule := []string{direction, layout.Bridge, "-m", "comment", "--comment", layout.Name, "-j", "ACCEPT"}
		there := strings.Contains(rules, strings.Join(rule[:2], " "))
		switch {
		case allow && !there && strings.Contains(rules, "-P FORWARD DROP"):
			err = run(ctx, "iptables", append([]string{"-w", "-I", "FORWARD"}, rule...)...)
		case !allow && there:
			err = run(ctx, "iptables", append([]string{"-w", "-D", "FORWARD"}, rule...)...)
		}
		if err != nil {
			return fmt.Errorf("letting the firewall pass the bridge's packets: %w", err)
		}
	}
	return nil
}
