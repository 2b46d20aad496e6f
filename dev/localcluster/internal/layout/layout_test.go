package layout

import (
	"net/netip"
	"testing"
)

func TestEveryRangeLiesInTheClustersNetworkAndNoneInAnother(t *testing.T) {
	ranges := []string{HostAddress + NodePrefix, LoadBalancers, Pods, Services}
	network := netip.MustParsePrefix(Network)
	for i, a := range ranges {
		prefix := netip.MustParsePrefix(a).Masked()
		if !network.Contains(prefix.Addr()) {
			t.Errorf("%s is outside of %s", a, Network)
		}
		for _, b := range ranges[i+1:] {
			if prefix.Overlaps(netip.MustParsePrefix(b).Masked()) {
				t.Errorf("%s and %s overlap", a, b)
			}
		}
	}
	for _, address := range []string{NodeAddress(1), NodeAddress(MaxNodes)} {
		if !netip.MustParsePrefix(HostAddress + NodePrefix).Masked().Contains(netip.MustParseAddr(address)) {
			t.Errorf("the node address %s is not on the bridge", address)
		}
	}
}

func TestOnlyNamesOfNodesHaveANumber(t *testing.T) {
	for name, want := range map[string]int{"node-1": 1, "node-12": 12, "node-0": 0, "node-": 0, "control-plane": 0, "node-1x": 0, "node-100": 0} {
		if got, err := NodeNumber(name); got != want || (err == nil) != (want > 0) {
			t.Errorf("NodeNumber(%q) is %d, %v", name, got, err)
		}
	}
}
