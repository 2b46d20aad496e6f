package network

import (
	"strings"
	"testing"
)

func TestACutIsMadeWhereItsPacketsPassAndNowhereElse(t *testing.T) {
	for _, test := range []struct{ from, to, node, rule string }{
		{"node-1", "node-2", "node-2", "arriving iifname eth0 ip saddr { 10.90.0.11, 10.91.1.0/24 } drop"},
		{"host", "node-2", "node-2", "arriving iifname eth0 ip saddr { 10.90.0.1 } drop"},
		{"node-2", "host", "node-2", "leaving oifname eth0 ip daddr { 10.90.0.1 } drop"},
		{"all", "node-3", "node-3", "arriving iifname eth0  drop"},
		{"node-3", "all", "node-3", "leaving oifname eth0  drop"},
	} {
		node, rule, err := cutRule(test.from, test.to)
		if err != nil || node != test.node || !strings.Contains(rule, test.rule) {
			t.Errorf("from %s to %s: on %s, %q (%v)", test.from, test.to, node, rule, err)
		}
	}
	for _, ends := range [][2]string{{"node-1", "node-1"}, {"host", "all"}, {"node-1", "somewhere"}, {"node-0", "node-1"}} {
		if _, _, err := cutRule(ends[0], ends[1]); err == nil {
			t.Errorf("from %s to %s: not refused", ends[0], ends[1])
		}
	}
}
