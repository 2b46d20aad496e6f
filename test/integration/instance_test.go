//go:build integration

package integration

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
)

// instance stands for the instance manager of a pod that no kubelet runs: it tells what the test has it tell, does what the test
// has it do, and refuses everything else as busy.
type instance struct {
	mutex  sync.Mutex
	status instanceapi.Status
	// does by path what it is asked for: the answer is its status, unless there is a refusal.
	does map[string]func(i *instance, body []byte) *instanceapi.RefusedError
	// configuration that it was sent last.
	configuration instanceapi.Configuration
}

// tells what the operator is answered from now on.
func (i *instance) tells(status instanceapi.Status) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.status = status
}

// change what it tells.
func (i *instance) change(change func(*instanceapi.Status)) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	change(&i.status)
}

// will do this when asked for it. It is called with the instance's status free to be changed.
func (i *instance) will(path string, do func(i *instance, body []byte) *instanceapi.RefusedError) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if i.does == nil {
		i.does = map[string]func(*instance, []byte) *instanceapi.RefusedError{}
	}
	i.does[path] = do
}

func (i *instance) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if request.Method == http.MethodGet && request.URL.Path == instanceapi.PathStatus {
		_ = json.NewEncoder(w).Encode(i.status) // the operator tells of an answer that it cannot read
		return
	}
	if request.Method == http.MethodGet && request.URL.Path == instanceapi.PathConfiguration && i.configuration.Revision != "" {
		_ = json.NewEncoder(w).Encode(i.configuration) // as above
		return
	}
	refusal := &instanceapi.RefusedError{Code: http.StatusConflict, Answer: instanceapi.Error{Reason: "Busy", Message: "the test's instance does nothing"}}
	if do := i.does[request.URL.Path]; do != nil && request.Method != http.MethodGet {
		body, _ := io.ReadAll(request.Body) // what is cut off is no JSON
		refusal = do(i, body)
	}
	if refusal == nil && request.URL.Path == instanceapi.PathForce {
		_ = json.NewEncoder(w).Encode(instanceapi.ForcePromotionReply{Position: "0/5000000", Term: 1, LeaderPosition: "0/9000000", LeaderTerm: 2}) // as above
		return
	}
	if refusal == nil {
		_ = json.NewEncoder(w).Encode(i.status) // as above
		return
	}
	w.WriteHeader(refusal.Code)
	_ = json.NewEncoder(w).Encode(refusal.Answer) // as above
}

// takes every configuration, and tells so.
func takes(i *instance, body []byte) *instanceapi.RefusedError {
	var configuration instanceapi.Configuration
	if err := json.Unmarshal(body, &configuration); err != nil {
		return &instanceapi.RefusedError{Code: http.StatusBadRequest, Answer: instanceapi.Error{Reason: "Failed", Message: err.Error()}}
	}
	i.configuration, i.status.ConfigurationRevision = configuration, configuration.Revision
	return nil
}

// inForce is the configuration that it was sent last.
func (i *instance) inForce() instanceapi.Configuration {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return i.configuration
}

// published has the Lease of the cluster say this, as a leader would.
func published(t *testing.T, c client.Client, cluster string, record election.Record) {
	t.Helper()
	lease := exists[coordinationv1.Lease](t, c, naming.Lease(cluster))
	fields, err := election.Encode(record, election.Fields{Annotations: lease.Annotations})
	if err != nil {
		t.Fatal(err)
	}
	written, term := lease.DeepCopy(), int32(record.Term) //nolint:gosec // a test leads a few terms, no more
	written.Annotations, written.Spec.HolderIdentity, written.Spec.LeaseTransitions = fields.Annotations, &record.Holder, &term
	if err := c.Patch(t.Context(), written, client.MergeFrom(lease)); err != nil {
		t.Fatal(err)
	}
}

// answering has the pod of that name run at this address, which each test takes another of: 127.0.x.y.
func answering(t *testing.T, c client.Client, cluster, name, address string, status instanceapi.Status) *instance {
	t.Helper()
	secret := exists[corev1.Secret](t, c, naming.Certificates(cluster))
	mounted, err := pki.ParseMounted(secret.Data)
	if err != nil {
		t.Fatal(err)
	}
	status.Instance, status.Cluster, status.Namespace, status.Address = name, cluster, "shop", address
	stands := &instance{status: status}
	listener, err := tls.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(naming.PortAPI)), &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{mounted.Peer.Pair()},
	})
	if err != nil {
		t.Fatal(err)
	}
	serves := &http.Server{Handler: stands} //nolint:gosec // the operator of this test alone asks
	go func() { _ = serves.Serve(listener) }()
	t.Cleanup(func() { _ = serves.Close() })

	running(t, c, name, address)
	return stands
}

// running has the pod of that name run at this address, as a kubelet would.
func running(t *testing.T, c client.Client, name, address string) {
	t.Helper()
	pod := exists[corev1.Pod](t, c, name)
	runs := pod.DeepCopy()
	runs.Status.Phase, runs.Status.PodIP, runs.Status.PodIPs = corev1.PodRunning, address, []corev1.PodIP{{IP: address}}
	runs.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: desired.ContainerPostgres, Ready: true,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	if err := c.Status().Patch(t.Context(), runs, client.MergeFrom(pod)); err != nil {
		t.Fatal(err)
	}
}
