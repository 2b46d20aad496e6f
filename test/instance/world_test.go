//go:build integration

package instance

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
)

const (
	clusterName = "shop"
	// podUID has no passwd entry in the image.
	podUID = 123456
)

// world is one cluster in a namespace of its own, with the test in the operator's place.
type world struct {
	number     int // of the world in this run: its part of the test network
	t          *testing.T
	ctx        context.Context
	namespace  string
	directory  string
	major      string
	wal        bool
	peers      pki.Authority
	clients    pki.Authority
	operator   pki.Leaf
	pods       map[int]*pod
	instances  int
	parameters map[string]string
	hba        []string
	asked      func(*instanceapi.Availability)
	program    string // that instances run
}

func newWorld(t *testing.T, instances int) *world {
	t.Helper()
	parallel(t)
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	w := &world{
		t: t, ctx: ctx, number: int(worlds.Add(1)), namespace: "t" + strings.ToLower(rand.Text()[:8]), major: "17", pods: map[int]*pod{}, instances: instances, program: env.program,
	}
	w.directory = filepath.Join(env.directory, w.namespace)
	w.check(os.MkdirAll(w.directory, 0o755))
	_, err := env.api.kubernetes.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}, metav1.CreateOptions{})
	w.check(err)
	w.allowInstances()
	w.writeCertificates()
	w.writeAccount()
	w.writeHosts()
	for _, service := range []string{naming.PrimaryService(clusterName), naming.ReplicaService(clusterName)} {
		w.createSlice(service)
	}
	t.Cleanup(func() {
		for _, pod := range w.pods {
			pod.kill()
			pod.disconnectNetwork()
			pod.tellRaces()
		}
		if t.Failed() || *story {
			w.tellStory()
		}
		if err := os.RemoveAll(w.directory); err != nil { // the volumes of all tests together are more than many a disk has
			t.Error(err)
		}
	})
	return w
}

// worlds counts them.
var worlds atomic.Int32

// alone are the tests that others would disturb, or that would disturb others.
var alone = []string{
	"TestTheDatabaseServesWhileTheAPIServerIsFrozen", "TestAnAsynchronousLeaderGoesOnWithoutTheAPIServerWhileAllMembersFollow",
	"TestInstancesThatRestartWhileTheAPIServerIsFrozenComeBackInTheRolesThatTheyCanProve", "TestAnIdleClusterWritesOncePerInterval", "TestAnIdleManagerStaysSmall", "TestALeaderThatIsDeletedRefusesConnectionsUntilItsSuccessorIsOpen",
	"TestAVoterThatRestartsKeepsItsPromise",
}

// parallel lets a test run beside others, once however many worlds it makes.
func parallel(t *testing.T) {
	t.Helper()
	if _, again := parallels.LoadOrStore(t, true); !again && !slices.Contains(alone, t.Name()) {
		t.Parallel()
	}
}

var parallels sync.Map

// address of the n-th instance.
func (w *world) address(n int) string { return net.IPv4(10, 213, byte(w.number), byte(10+n)).String() }

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// allowInstances gives what the operator gives, and nothing else.
func (w *world) allowInstances() {
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "instance"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "watch", "update"},
			ResourceNames: []string{naming.Lease(clusterName)}},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"get", "watch", "update"},
			ResourceNames: []string{naming.PrimaryService(clusterName), naming.ReplicaService(clusterName)}},
	}}
	_, err := env.api.kubernetes.RbacV1().Roles(w.namespace).Create(w.ctx, role, metav1.CreateOptions{})
	w.check(err)
	_, err = env.api.kubernetes.RbacV1().RoleBindings(w.namespace).Create(w.ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "instance"},
		RoleRef:    rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: "instance"},
		Subjects:   []rbacv1.Subject{{Kind: "User", APIGroup: "rbac.authorization.k8s.io", Name: instanceUser}},
	}, metav1.CreateOptions{})
	w.check(err)
}

func (w *world) createSlice(name string) {
	_, err := env.api.kubernetes.DiscoveryV1().EndpointSlices(w.namespace).Create(w.ctx, &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{},
	}, metav1.CreateOptions{})
	w.check(err)
}

// createLease makes the Lease as the operator does: with the bootstrap mark, or empty.
func (w *world) createLease(marked bool) {
	w.t.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: naming.Lease(clusterName)}}
	if marked {
		fields, err := election.Encode(election.Record{System: election.Bootstrap(naming.Instance(clusterName, 1))}, election.Fields{})
		w.check(err)
		lease.Annotations = fields.Annotations
	}
	_, err := env.api.kubernetes.CoordinationV1().Leases(w.namespace).Create(w.ctx, lease, metav1.CreateOptions{})
	w.check(err)
}

func (w *world) deleteLease() {
	w.t.Helper()
	w.check(env.api.kubernetes.CoordinationV1().Leases(w.namespace).Delete(w.ctx, naming.Lease(clusterName), metav1.DeleteOptions{}))
}

func (w *world) writeCertificates() {
	now := time.Now()
	var err error
	w.peers, err = pki.Generate(now, rand.Reader, pki.Identity{Kind: pki.KindPeer, Namespace: w.namespace, Cluster: clusterName}, time.Hour)
	w.check(err)
	w.clients, err = pki.Generate(now, rand.Reader, pki.Identity{Kind: pki.KindClient, Namespace: w.namespace, Cluster: clusterName}, time.Hour)
	w.check(err)
	w.operator, err = w.peers.Issue(now, rand.Reader, pki.OperatorRequest(time.Hour))
	w.check(err)
	hosts := []string{naming.InstanceHost(clusterName, w.namespace, "*"), naming.LeaderHost(clusterName, w.namespace)}
	directory := filepath.Join(w.directory, "certificates")
	w.check(os.MkdirAll(directory, 0o755))
	w.check(os.WriteFile(filepath.Join(directory, pki.FilePeerCA), pki.EncodeCertificates(w.peers.Certificate), 0o644))
	w.check(os.WriteFile(filepath.Join(directory, pki.FileClientCA), pki.EncodeCertificates(w.clients.Certificate), 0o644))
	for _, leaf := range []struct {
		authority pki.Authority
		request   pki.LeafRequest
		file, key string
	}{
		{w.peers, pki.InstanceRequest(clusterName, hosts, time.Hour), pki.FilePeer, pki.FilePeerKey},
		{w.peers, pki.ReplicationRequest(time.Hour), pki.FileReplication, pki.FileReplicationKey},
		{w.clients, pki.ServerRequest(clusterName, hosts, time.Hour), pki.FileServer, pki.FileServerKey},
	} {
		issued, err := leaf.authority.Issue(now, rand.Reader, leaf.request)
		w.check(err)
		key, err := pki.EncodeKey(issued.Key)
		w.check(err)
		w.check(os.WriteFile(filepath.Join(directory, leaf.file), pki.EncodeCertificates(issued.Certificate), 0o644))
		w.check(os.WriteFile(filepath.Join(directory, leaf.key), key, 0o644)) // the Secret's mount is readable to the pod's group
	}
}

func (w *world) writeAccount() {
	directory := filepath.Join(w.directory, "account")
	w.check(os.MkdirAll(directory, 0o755))
	ca, err := os.ReadFile(env.api.caFile)
	w.check(err)
	w.check(os.WriteFile(filepath.Join(directory, "ca.crt"), ca, 0o644))
	w.check(os.WriteFile(filepath.Join(directory, "token"), []byte(instanceToken+"\n"), 0o644))
}

func (w *world) writeHosts() {
	var hosts strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n")
	for n := 1; n <= 9; n++ {
		fmt.Fprintf(&hosts, "%s %s\n", w.address(n), naming.InstanceHost(clusterName, w.namespace, naming.Instance(clusterName, n)))
	}
	w.check(os.WriteFile(filepath.Join(w.directory, "hosts"), []byte(hosts.String()), 0o644))
}

// configuration as the operator would send it now.
func (w *world) configuration() instanceapi.Configuration {
	c := instanceapi.Configuration{Version: w.major, Parameters: w.parameters, HBA: w.hba}
	for n := 1; n <= w.instances; n++ {
		c.Instances = append(c.Instances, naming.Instance(clusterName, n))
	}
	c.Availability = w.availability()
	c.Revision = fmt.Sprintf("%v %v %v %+v", c.Instances, c.Parameters, c.HBA, *c.Availability)
	return c
}

// availability is what the operator makes of a spec that says nothing about it, unless a test asks for something else.
func (w *world) availability() *instanceapi.Availability {
	a := instanceapi.Availability{
		Mode: instanceapi.ModeQuorum, SynchronousStandbys: w.instances / 2, Durability: instanceapi.DurabilityRequired,
		FailureDetectionSeconds: 2, LeaseDurationSeconds: 10,
	}
	if w.instances == 2 {
		a.Durability = instanceapi.DurabilityPreferred
	}
	if w.asked != nil {
		w.asked(&a)
	}
	return &a
}

// record in the Lease.
func (w *world) record() election.Record {
	w.t.Helper()
	lease, err := env.api.kubernetes.CoordinationV1().Leases(w.namespace).Get(w.ctx, naming.Lease(clusterName), metav1.GetOptions{})
	w.check(err)
	fields := election.Fields{Annotations: lease.Annotations}
	if lease.Spec.HolderIdentity != nil {
		fields.HolderIdentity = *lease.Spec.HolderIdentity
	}
	if lease.Spec.LeaseTransitions != nil {
		fields.LeaseTransitions = int64(*lease.Spec.LeaseTransitions)
	}
	if lease.Spec.LeaseDurationSeconds != nil {
		fields.LeaseDurationSeconds = int64(*lease.Spec.LeaseDurationSeconds)
	}
	if lease.Spec.RenewTime != nil {
		fields.RenewTime = lease.Spec.RenewTime.Time
	}
	record, err := election.Decode(fields)
	w.check(err)
	return record
}

// serving are the instances in a slice, in its order.
func (w *world) serving(service string) string {
	slice, err := env.api.kubernetes.DiscoveryV1().EndpointSlices(w.namespace).Get(w.ctx, service, metav1.GetOptions{})
	w.check(err)
	return instancesOf(slice)
}

// served is everything that a slice ever had from now on until the test ends, each as serving tells it, once per change.
func (w *world) served(service string) (all func() []string) {
	list := metav1.ListOptions{FieldSelector: "metadata.name=" + service}
	watched, err := env.api.kubernetes.DiscoveryV1().EndpointSlices(w.namespace).Watch(w.ctx, list)
	w.check(err)
	w.t.Cleanup(watched.Stop)
	var mu sync.Mutex
	var states []string
	go func() {
		for event := range watched.ResultChan() {
			slice, is := event.Object.(*discoveryv1.EndpointSlice)
			if !is {
				continue
			}
			mu.Lock()
			states = append(states, instancesOf(slice))
			mu.Unlock()
		}
	}()
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Compact(slices.Clone(states))
	}
}

func instancesOf(slice *discoveryv1.EndpointSlice) string {
	var names []string
	for _, endpoint := range slice.Endpoints {
		names = append(names, endpoint.TargetRef.Name)
	}
	return strings.Join(names, " ")
}

// nodes of the instances in a slice, in its order.
func (w *world) nodes(service string) string {
	slice, err := env.api.kubernetes.DiscoveryV1().EndpointSlices(w.namespace).Get(w.ctx, service, metav1.GetOptions{})
	w.check(err)
	var names []string
	for _, endpoint := range slice.Endpoints {
		if endpoint.NodeName != nil {
			names = append(names, *endpoint.NodeName)
		}
	}
	return strings.Join(names, " ")
}

// eventually waits until something is so, and tells what was not where it never is.
func (w *world) eventually(what string, so func() bool) {
	w.t.Helper()
	end := time.Now().Add(90 * time.Second)
	for !so() {
		if time.Now().After(end) || w.ctx.Err() != nil {
			w.t.Fatalf("not within 90 s: %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
