//go:build integration

package integration

import (
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
)

// instance stands for the instance manager of a pod that no kubelet runs: it tells what the test has it tell, and refuses
// everything else as busy.
type instance struct {
	mutex  sync.Mutex
	status instanceapi.Status
}

// tells what the operator is answered from now on.
func (i *instance) tells(status instanceapi.Status) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.status = status
}

func (i *instance) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	var answer any = i.status
	if request.Method != http.MethodGet || request.URL.Path != instanceapi.PathStatus {
		w.WriteHeader(http.StatusConflict)
		answer = instanceapi.Error{Reason: "Busy", Message: "the test's instance does nothing"}
	}
	_ = json.NewEncoder(w).Encode(answer) // the operator tells of an answer that it cannot read
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

	pod := exists[corev1.Pod](t, c, name)
	running := pod.DeepCopy()
	running.Status.Phase, running.Status.PodIP, running.Status.PodIPs = corev1.PodRunning, address, []corev1.PodIP{{IP: address}}
	running.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: desired.ContainerPostgres, Ready: true,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	if err := c.Status().Patch(t.Context(), running, client.MergeFrom(pod)); err != nil {
		t.Fatal(err)
	}
	return stands
}
