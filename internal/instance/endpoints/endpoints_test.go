package endpoints

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	leader = Member{"shop-1", "10.0.0.1", "node-1"}
	second = Member{"shop-2", "10.0.0.2", "node-2"}
	third  = Member{"shop-3", "10.0.0.3", "node-3"}
)

func TestDecide(t *testing.T) {
	streaming := func(m Member, lag int64) Standby { return Standby{Member: m, Streaming: true, LagBytes: lag} }
	for name, c := range map[string]struct {
		standbys          []Standby
		primary, replicas []Member
	}{
		"alone, the leader serves both":             {nil, []Member{leader}, []Member{leader}},
		"standbys serve reads, in order":            {[]Standby{streaming(third, 0), streaming(second, 0)}, []Member{leader}, []Member{second, third}},
		"one that is far behind does not":           {[]Standby{streaming(second, MaxLagBytes+1), streaming(third, MaxLagBytes)}, []Member{leader}, []Member{third}},
		"one that catches up does not":              {[]Standby{{Member: second}}, []Member{leader}, []Member{leader}},
		"one whose address is not known cannot":     {[]Standby{streaming(Member{Instance: "shop-2"}, 0)}, []Member{leader}, []Member{leader}},
		"one that is ahead of what was read counts": {[]Standby{streaming(second, -100)}, []Member{leader}, []Member{second}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Decide(3, leader, c.standbys)
			if diff := cmp.Diff(Wanted{Term: 3, Primary: c.primary, Replicas: c.replicas}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestASliceHasOneFamilyOfAddresses(t *testing.T) {
	members := []Member{leader, {"shop-2", "fd00::2", "node-2"}, {"shop-3", "::ffff:10.0.0.3", ""}, {"shop-4", "nonsense", ""}}
	for family, want := range map[string][]string{"IPv4": {"10.0.0.1", "10.0.0.3"}, "IPv6": {"fd00::2"}} {
		var got []string
		for _, endpoint := range endpointsOf(members, family, "default") {
			got = append(got, endpoint.Addresses...)
			if !endpoint.Conditions.Ready || endpoint.TargetRef.Namespace != "default" {
				t.Errorf("the endpoint is %+v", endpoint)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(family, diff)
		}
	}
}

func TestAChangedNodeIsAChange(t *testing.T) {
	a := endpointsOf([]Member{second}, "IPv4", "default")
	moved := second
	moved.Node = "node-9"
	if !same(a, endpointsOf([]Member{second}, "IPv4", "default")) || same(a, endpointsOf([]Member{moved}, "IPv4", "default")) || same(a, nil) {
		t.Error("sameness is not what it should be")
	}
}
