package contact

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
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

// Connections to instances of all clusters. Between two looks at a cluster only the operator's certificate for it is kept: with thousands of clusters, clients and
// what is parsed for them would be felt. The zero value is ready to use, by several controllers at the same time.
type Connections struct {
	// Now is the clock by which certificates are verified; nil for the system's.
	Now func() time.Time

	mutex sync.Mutex
	// key of the operator, which each cluster's authority certifies.
	key   *ecdsa.PrivateKey
	shown map[types.NamespacedName]shown
}

// shown is the certificate that the operator shows to a cluster's instances.
type shown struct {
	// authority that signed it, by its fingerprint.
	authority string
	// certificate in DER.
	certificate []byte
	renewAt     time.Time
}

// Dial makes the client of an instance, by its name and address.
type Dial func(name, ip string) *instanceapi.Client

var errNoAuthority = errors.New("the peer authority is not made yet")

// Of a cluster, by its present peer authority. HangUp ends them.
func (c *Connections) Of(cluster types.NamespacedName, peer pki.State, now time.Time) (Dial, error) {
	expecting, err := c.configurations(cluster, peer, now)
	if err != nil {
		return nil, err
	}
	return func(name, ip string) *instanceapi.Client {
		return instanceapi.NewClient(net.JoinHostPort(ip, strconv.Itoa(naming.PortAPI)), expecting(name))
	}, nil
}

// configurations for the instances of a cluster, each of which expects that one and no other.
func (c *Connections) configurations(cluster types.NamespacedName, peer pki.State, now time.Time) (func(name string) *tls.Config, error) {
	if !peer.Current.Exists() || !peer.Current.CanSign() {
		return nil, errNoAuthority
	}
	leaf, err := c.leaf(cluster, peer.Current, now)
	if err != nil {
		return nil, fmt.Errorf("the operator's own certificate: %w", err)
	}
	config := pki.ClientConfig(leaf, peer.Bundle(), "")
	config.Time = c.Now
	return func(name string) *tls.Config {
		expecting := config.Clone()
		expecting.ServerName = naming.InstanceHost(cluster.Name, cluster.Namespace, name)
		return expecting
	}, nil
}

// leaf that the operator shows to instances of a cluster: the one that it has, unless that is old or another authority's.
func (c *Connections) leaf(cluster types.NamespacedName, signer pki.Authority, now time.Time) (pki.Leaf, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if known, ok := c.shown[cluster]; ok && known.authority == signer.Fingerprint() && !now.After(known.renewAt) {
		certificate, err := x509.ParseCertificate(known.certificate)
		return pki.Leaf{Certificate: certificate, Key: c.key}, err
	}
	if c.key == nil {
		key, err := pki.NewKey(rand.Reader)
		if err != nil {
			return pki.Leaf{}, err
		}
		c.key, c.shown = key, map[types.NamespacedName]shown{}
	}
	leaf, err := signer.Certify(now, rand.Reader, c.key, pki.OperatorRequest(operatorCertificate))
	if err != nil {
		return pki.Leaf{}, err
	}
	c.shown[cluster] = shown{signer.Fingerprint(), leaf.Certificate.Raw, leaf.Certificate.NotAfter.Add(-operatorCertificate / 2)}
	return leaf, nil
}

// Forget what is kept in memory of a cluster that is gone.
func (c *Connections) Forget(cluster types.NamespacedName) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	delete(c.shown, cluster)
}

// HangUp ends connections to instances that were asked. Whoever asks thousands of clusters once in a while would hold as many.
func HangUp(instances map[string]Instance) {
	for _, instance := range instances {
		if instance.Client != nil {
			instance.Client.Close()
		}
	}
}
