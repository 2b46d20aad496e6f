package main

import (
	"crypto/tls"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

const (
	// mostClusters whose instances have an address each.
	mostClusters = 200000
	// perCluster is how many addresses are set apart for each cluster: more than instances that it can have.
	perCluster = 16
	// firstAddress is 127.1.0.0: what is below is for whoever else listens on this machine.
	firstAddress = 1 << 16
	// systemBase makes system identifiers that look like PostgreSQL's.
	systemBase = 7700000000000000000
)

// fleet is all clusters that are measured.
type fleet struct {
	clusters []*cluster
	byKey    map[types.NamespacedName]*cluster
}

// cluster as its own instances know it.
type cluster struct {
	key       types.NamespacedName
	index     int
	instances int

	// mutex guards what follows.
	mutex sync.Mutex
	// serving is how instances answer a handshake, nil before their certificates were read; report what they say of these.
	serving *tls.Config
	report  instanceapi.CertificateReport
	// configurations in force, by ordinal; the first one is 1.
	configurations map[int]instanceapi.Configuration

	// leading guards led: the Lease was written.
	leading sync.Mutex
	led     bool
}

func newFleet(clusters, instances, perNamespace int) *fleet {
	f := &fleet{byKey: map[types.NamespacedName]*cluster{}}
	for i := range clusters {
		made := &cluster{index: i, instances: instances, configurations: map[int]instanceapi.Configuration{},
			key: types.NamespacedName{Namespace: fmt.Sprintf("scale-%03d", i/perNamespace), Name: fmt.Sprintf("c-%04d", i)}}
		f.clusters = append(f.clusters, made)
		f.byKey[made.key] = made
	}
	return f
}

// namespaces of the clusters, in their order.
func (f *fleet) namespaces() []string {
	var names []string
	for _, c := range f.clusters {
		if len(names) == 0 || names[len(names)-1] != c.key.Namespace {
			names = append(names, c.key.Namespace)
		}
	}
	return names
}

// split into those that are measured, and those that are poisoned in some runs: evenly spread, and the same in all runs.
func (f *fleet) split(share float64) (measured, spoiled []*cluster) {
	for i, c := range f.clusters {
		if math.Floor(float64(i+1)*share) > math.Floor(float64(i)*share) {
			spoiled = append(spoiled, c)
		} else {
			measured = append(measured, c)
		}
	}
	return measured, spoiled
}

// of finds the cluster and the ordinal of an instance; nil for what is not of this fleet.
func (f *fleet) of(namespace, cluster, instance string) (*cluster, int) {
	found := f.byKey[types.NamespacedName{Namespace: namespace, Name: cluster}]
	ordinal, ok := naming.Ordinal(cluster, instance)
	if found == nil || !ok || ordinal >= perCluster {
		return nil, 0
	}
	return found, ordinal
}

// ofHost finds them by naming.InstanceHost.
func (f *fleet) ofHost(host string) (*cluster, int) {
	parts := strings.Split(host, ".")
	if len(parts) != 4 {
		return nil, 0
	}
	return f.of(parts[2], strings.TrimSuffix(parts[1], naming.PodsService("")), parts[0])
}

// address of an instance: always the same, and no other's.
func (c *cluster) address(ordinal int) string {
	n := firstAddress + c.index*perCluster + ordinal
	return fmt.Sprintf("127.%d.%d.%d", n>>16, n>>8&255, n&255)
}

func (c *cluster) name(ordinal int) string { return naming.Instance(c.key.Name, ordinal) }

// leader is the first instance, as long as nobody fails.
const leader = 1

// incarnation of an instance's copy of the data.
func (c *cluster) incarnation(ordinal int) string { return fmt.Sprintf("%016x%016x", c.index, ordinal) }

func (c *cluster) system() string { return fmt.Sprint(systemBase + c.index) }

// record that the leader publishes: a quorum of half of the instances, as is the default.
func (c *cluster) record(now time.Time) election.Record {
	members := map[string]string{}
	for ordinal := 1; ordinal <= c.instances; ordinal++ {
		members[c.incarnation(ordinal)] = c.name(ordinal)
	}
	return election.Record{
		Holder: c.name(leader), HolderIncarnation: c.incarnation(leader), Address: c.address(leader),
		Term: term, Revision: 1, Timeline: timeline, System: c.system(), Position: position(now).String(),
		Quorum: election.Quorum{Mode: election.ModeQuorum, Members: members, Required: c.instances/2 + 1},
	}
}

// configured takes a configuration in.
func (c *cluster) configured(ordinal int, configuration instanceapi.Configuration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.configurations[ordinal] = configuration
}

// configuration in force at an instance; the zero one before it has any.
func (c *cluster) configuration(ordinal int) instanceapi.Configuration {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.configurations[ordinal]
}
