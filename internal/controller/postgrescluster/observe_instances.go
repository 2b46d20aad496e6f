package postgrescluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// answerWithin is how long an instance may take to tell of itself. All are asked at the same time, so that
// one that is away delays a reconcile by this much and no more.
const answerWithin = 2 * time.Second

// operatorCertificate lives for a day, and is made anew after half of it: it is in memory only.
const operatorCertificate = 24 * time.Hour

// connections to instances, kept over reconciles. The zero value is ready to use.
type connections struct {
	mutex    sync.Mutex
	clusters map[types.NamespacedName]*clusterConnections
}

type clusterConnections struct {
	// authority and trust by which the clients were made.
	authority, trust string
	leaf             pki.Leaf
	clients          map[string]connection
}

type connection struct {
	address string
	client  *instanceapi.Client
}

// observeInstances asks all instances at the same time. One that does not answer is told in its entry.
func (r *Reconciler) observeInstances(ctx context.Context, s *scope) {
	s.observed.instances = map[string]instance{}
	dial, err := r.connections.of(s)
	var group sync.WaitGroup
	var mutex sync.Mutex
	for name, pod := range s.observed.pods {
		if !managerRuns(pod) {
			continue
		}
		if err != nil {
			s.observed.instances[name] = instance{err: err}
			continue
		}
		found := instance{client: dial(name, pod.Status.PodIP)}
		group.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, answerWithin)
			defer cancel()
			found.status, found.err = found.client.Status(ctx)
			if found.err == nil && found.status.Instance != name {
				found.err = fmt.Errorf("the address of %s answers as %s", name, found.status.Instance)
			}
			mutex.Lock()
			defer mutex.Unlock()
			s.observed.instances[name] = found
		})
	}
	group.Wait()
}

// unlessBusy turns the answer of an instance that cannot do it just now (409) into something to wait for; what it is doing
// shows in its own status alone.
func unlessBusy(err error) error {
	if refused, ok := instanceapi.Refused(err); ok && refused.Code == http.StatusConflict {
		return reconcile.Wait(soon, v1alpha1.ReasonConfiguring, "%s", refused.Answer.Message)
	}
	return err
}

// managerRuns tells whether an instance manager can be expected to answer.
func managerRuns(pod *corev1.Pod) bool {
	if pod.Status.PodIP == "" {
		return false
	}
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == desired.ContainerPostgres {
			return status.State.Running != nil
		}
	}
	return false
}

var errNoAuthority = errors.New("the peer authority is not made yet")

// of gives a function that finds the client of an instance, made with the cluster's present authorities.
func (c *connections) of(s *scope) (func(name, ip string) *instanceapi.Client, error) {
	state, err := authorityState(s, naming.PeerCA(s.cluster.Name))
	if err != nil {
		return nil, err
	}
	if !state.Current.Exists() || !state.Current.CanSign() {
		return nil, errNoAuthority
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.clusters == nil {
		c.clusters = map[types.NamespacedName]*clusterConnections{}
	}
	key := types.NamespacedName{Namespace: s.cluster.Namespace, Name: s.cluster.Name}
	present := c.clusters[key]
	signer, trust := state.Current, string(state.BundlePEM())
	if present == nil || present.authority != signer.Fingerprint() || present.trust != trust ||
		s.now.After(present.leaf.Certificate.NotAfter.Add(-operatorCertificate/2)) {
		leaf, err := signer.Issue(s.now, rand.Reader, pki.OperatorRequest(operatorCertificate))
		if err != nil {
			return nil, fmt.Errorf("the operator's own certificate: %w", err)
		}
		present.close()
		present = &clusterConnections{authority: signer.Fingerprint(), trust: trust, leaf: leaf, clients: map[string]connection{}}
		c.clusters[key] = present
	}
	bundle := state.Bundle()
	return func(name, ip string) *instanceapi.Client {
		address := net.JoinHostPort(ip, strconv.Itoa(naming.PortAPI))
		if known, ok := present.clients[name]; ok {
			if known.address == address {
				return known.client
			}
			known.client.Close()
		}
		host := naming.InstanceHost(s.cluster.Name, s.cluster.Namespace, name)
		made := connection{address, instanceapi.NewClient(address, pki.ClientConfig(present.leaf, bundle, host))}
		present.clients[name] = made
		return made.client
	}, nil
}

func (c *clusterConnections) close() {
	if c == nil {
		return
	}
	for _, connection := range c.clients {
		connection.client.Close()
	}
}

// forget what is kept in memory of a cluster that is gone.
func (r *Reconciler) forget(key types.NamespacedName) {
	r.connections.mutex.Lock()
	r.connections.clusters[key].close()
	delete(r.connections.clusters, key)
	r.connections.mutex.Unlock()
	r.granted.forget(key)
	r.written.forget(key)
	r.Metrics.forget(key)
}
