// Package endpoints keeps the two EndpointSlices of a cluster as its leader wants
// them: `<c>-rw` with the leader, `<c>-ro` with the standbys that are close behind.
//
// endpoints.go says what is to be in them, publisher.go writes it. A leader of a lower term never writes over a higher one.
package endpoints

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/timonier-io/timonier/internal/kubeapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// MaxLagBytes is how far behind a standby may be and still serve reads: one WAL segment. Less would take a standby out with every
// bulk load, more would show readers data that is seconds old on a busy system.
const MaxLagBytes = 16 << 20

// Member is one instance that may serve.
type Member struct {
	Instance string
	Address  string
	Node     string
}

// Standby as the leader sees it.
type Standby struct {
	Member
	Streaming bool
	LagBytes  int64
}

// Wanted content of both slices.
type Wanted struct {
	// Term of the leader.
	Term    int64
	Primary []Member
	// Replicas are left as they are while the leader is not open: who serves reads does so until it knows who follows.
	Replicas     []Member
	KeepReplicas bool
}

// Closed is what is wanted from the moment on when somebody holds the Lease: nobody is sent to the leader before, whose address may not even refuse.
func Closed(term int64) Wanted { return Wanted{Term: term, KeepReplicas: true} }

// Decide what is to be in the slices of a leader that admits clients.
func Decide(term int64, leader Member, standbys []Standby) Wanted {
	wanted := Wanted{Term: term, Primary: []Member{leader}}
	for _, standby := range standbys {
		if standby.Streaming && standby.LagBytes <= MaxLagBytes && standby.Address != "" {
			wanted.Replicas = append(wanted.Replicas, standby.Member)
		}
	}
	if len(wanted.Replicas) == 0 {
		wanted.Replicas = wanted.Primary
	}
	slices.SortFunc(wanted.Replicas, func(a, b Member) int { return strings.Compare(a.Instance, b.Instance) })
	return wanted
}

// endpointsOf writes members as endpoints of an address type; members of another family are left out, since a slice has one.
func endpointsOf(members []Member, addressType, namespace string) []kubeapi.Endpoint {
	var endpoints []kubeapi.Endpoint
	for _, member := range members {
		address, err := netip.ParseAddr(member.Address)
		if err != nil || family(address) != addressType {
			continue
		}
		endpoints = append(endpoints, kubeapi.Endpoint{
			Addresses:  []string{address.Unmap().String()},
			Conditions: kubeapi.Conditions{Ready: true},
			NodeName:   member.Node,
			TargetRef:  &kubeapi.TargetRef{Kind: "Pod", Name: member.Instance, Namespace: namespace},
		})
	}
	return endpoints
}

func family(address netip.Addr) string {
	if address.Unmap().Is4() {
		return "IPv4"
	}
	return "IPv6"
}

var ports = []kubeapi.Port{{Name: naming.PortNamePostgres, Protocol: "TCP", Port: naming.PortPostgres}}

// same tells whether two lists of endpoints serve the same.
func same(a, b []kubeapi.Endpoint) bool {
	return slices.EqualFunc(a, b, func(x, y kubeapi.Endpoint) bool {
		return slices.Equal(x.Addresses, y.Addresses) && x.Conditions == y.Conditions && x.NodeName == y.NodeName &&
			(x.TargetRef == nil) == (y.TargetRef == nil) && (x.TargetRef == nil || *x.TargetRef == *y.TargetRef)
	})
}
