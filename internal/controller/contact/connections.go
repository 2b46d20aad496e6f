package contact

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
)

// operatorCertificate lives for a day, and is made anew after half of it: it is in memory only.
const operatorCertificate = 24 * time.Hour

// Connections to instances of all clusters. The zero value is ready to use, by several controllers at the same time.
type Connections struct {
	// Now is the clock by which certificates are verified; nil for the system's.
	Now func() time.Time

	mutex    sync.Mutex
	clusters map[types.NamespacedName]*clusterConnections
}

// Dial finds the client of an instance, by its name and address.
type Dial func(name, ip string) *instanceapi.Client

type clusterConnections struct {
	// authority and trust by which the clients were made.
	authority, trust string
	leaf             pki.Leaf
	// config of all clients but for the host that each expects: with thousands of instances, what each had of its own would be felt.
	config  *tls.Config
	clients map[string]connection
}

type connection struct {
	address string
	client  *instanceapi.Client
}

var errNoAuthority = errors.New("the peer authority is not made yet")

// Of a cluster, made with its present peer authority.
func (c *Connections) Of(cluster types.NamespacedName, peer pki.State, now time.Time) (Dial, error) {
	if !peer.Current.Exists() || !peer.Current.CanSign() {
		return nil, errNoAuthority
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.clusters == nil {
		c.clusters = map[types.NamespacedName]*clusterConnections{}
	}
	present := c.clusters[cluster]
	signer, trust := peer.Current, string(peer.BundlePEM())
	if present == nil || present.authority != signer.Fingerprint() || present.trust != trust ||
		now.After(present.leaf.Certificate.NotAfter.Add(-operatorCertificate/2)) {
		leaf, err := signer.Issue(now, rand.Reader, pki.OperatorRequest(operatorCertificate))
		if err != nil {
			return nil, fmt.Errorf("the operator's own certificate: %w", err)
		}
		config := pki.ClientConfig(leaf, peer.Bundle(), "")
		config.Time = c.Now
		present.close()
		present = &clusterConnections{authority: signer.Fingerprint(), trust: trust, leaf: leaf, config: config, clients: map[string]connection{}}
		c.clusters[cluster] = present
	}
	return func(name, ip string) *instanceapi.Client {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		address := net.JoinHostPort(ip, strconv.Itoa(naming.PortAPI))
		if known, ok := present.clients[name]; ok {
			if known.address == address {
				return known.client
			}
			known.client.Close()
		}
		made := connection{address, instanceapi.NewClient(address, present.expecting(naming.InstanceHost(cluster.Name, cluster.Namespace, name)))}
		present.clients[name] = made
		return made.client
	}, nil
}

// Forget what is kept in memory of a cluster that is gone.
func (c *Connections) Forget(cluster types.NamespacedName) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.clusters[cluster].close()
	delete(c.clusters, cluster)
}

// expecting the instance of this host, and no other.
func (c *clusterConnections) expecting(host string) *tls.Config {
	config := c.config.Clone()
	config.ServerName = host
	return config
}

func (c *clusterConnections) close() {
	if c == nil {
		return
	}
	for _, connection := range c.clients {
		connection.client.Close()
	}
}
