//go:build integration

package integration

import (
	"context"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// cable to an API server, which can be cut: then nobody is answered who comes by it. Whoever goes there directly is.
type cable struct {
	address, target string

	mutex       sync.Mutex
	listener    net.Listener
	connections map[net.Conn]bool
}

// cabled is a kubeconfig with which the API server of another one is reached by a cable.
func cabled(t *testing.T, kubeconfig string) (*cable, string) {
	t.Helper()
	access, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	w := &cable{address: freeAddress(t), connections: map[net.Conn]bool{}}
	for _, cluster := range access.Clusters {
		server, err := url.Parse(cluster.Server)
		if err != nil {
			t.Fatal(err)
		}
		w.target = server.Host
		server.Host = w.address
		cluster.Server = server.String()
	}
	through := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*access, through); err != nil {
		t.Fatal(err)
	}
	w.mend(t)
	t.Cleanup(w.cut)
	return w, through
}

// mend it, so that it is answered again.
func (w *cable) mend(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	w.mutex.Lock()
	w.listener = listener
	w.mutex.Unlock()
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return // it was cut
			}
			go w.join(near)
		}
	}()
}

// join a connection with one to the API server, until either ends.
func (w *cable) join(near net.Conn) {
	far, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", w.target)
	if err != nil {
		_ = near.Close() // as the API server would
		return
	}
	w.mutex.Lock()
	w.connections[near], w.connections[far] = true, true
	w.mutex.Unlock()
	var group sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		group.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // either end may be gone
			_, _ = near.Close(), far.Close()
		})
	}
	group.Wait()
	w.mutex.Lock()
	delete(w.connections, near)
	delete(w.connections, far)
	w.mutex.Unlock()
}

// cut it: connections break, and none can be made.
func (w *cable) cut() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	_ = w.listener.Close() // twice, at the end of the test
	for connection := range w.connections {
		_ = connection.Close() // it may have ended
	}
}

// lasts waits for so long, and tells what ended meanwhile: time that passes is what is tested.
func lasts(span time.Duration, over <-chan struct{}) (ended bool) {
	select {
	case <-over:
		return true
	case <-time.After(span):
		return false
	}
}

func TestAnOutageOfTheAPIQuarantinesNobodyAndTheOperatorGoesOn(t *testing.T) {
	program, c, kubeconfig := operatorBuilt(t)
	cable, through := cabled(t, kubeconfig)
	// The shortest that there is: an outage of half a minute would do, if its failures counted.
	quick := []string{"TIMONIER_MAX_RETRIES=3", "TIMONIER_QUARANTINE_AFTER=10s"}
	operator := operatorWith(t, program, through, quick)
	// Five that fail alike would be known for a fault that is not theirs; these are too few.
	w := trioOf(t, c, "outage", 97)
	asked(t, c, "outage-pending", "instances: 1")
	names := []string{"outage", "outage-pending"}
	untouched := func(when string) {
		t.Helper()
		for _, name := range names {
			status := exists[v1alpha1.PostgresCluster](t, c, name).Status
			if len(status.Quarantine)+len(status.Failures) != 0 {
				t.Errorf("%s, %s has failures %+v and quarantine %+v", when, name, status.Failures, status.Quarantine)
			}
		}
	}
	goesOn := func(value int32) {
		t.Helper()
		found := exists[v1alpha1.PostgresCluster](t, c, "outage")
		changed := found.DeepCopy()
		changed.Spec.Parameters = map[string]intstr.IntOrString{"log_min_duration_statement": intstr.FromInt32(value)}
		if err := c.Patch(t.Context(), changed, client.MergeFrom(found)); err != nil {
			t.Fatal(err)
		}
		wanted := changed.Spec.Parameters["log_min_duration_statement"]
		eventuallyWithin(t, 90*time.Second, "the change reaches the instances", func() bool {
			for _, instance := range w.instances {
				if instance.inForce().Parameters["log_min_duration_statement"] != wanted.String() {
					return false
				}
			}
			return exists[v1alpha1.PostgresCluster](t, c, "outage").Status.ObservedGeneration == changed.Generation
		})
	}
	goesOn(1001)

	lost := exists[corev1.Pod](t, c, naming.Instance("outage-pending", 1))

	// Shorter than an operator that leads can do without: the same process goes on.
	cable.cut()
	// What it is to do meanwhile, and cannot: the pod of an instance is gone.
	if err := c.Delete(t.Context(), lost, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	if lasts(7*time.Second, operator.over) {
		t.Fatalf("the operator ended after a short outage: %v", operator.failure)
	}
	cable.mend(t)
	goesOn(1002)
	if operator.ended() {
		t.Fatalf("the operator ended after a short outage: %v", operator.failure)
	}
	untouched("after a short outage")

	// Longer: it gives up to lead and ends, and a kubelet starts it again, until it can.
	cable.cut()
	if !lasts(25*time.Second, operator.over) {
		t.Fatal("the operator takes itself for the leader, although it cannot have renewed its Lease")
	}
	operator = operatorWith(t, program, through, quick)
	lasts(5*time.Second, operator.over)
	cable.mend(t)
	if operator.ended() {
		operator = operatorWith(t, program, through, quick)
	}
	goesOn(1003)
	untouched("after a long outage")
	eventually(t, "the pod that was lost meanwhile is back", func() bool {
		found := &corev1.Pod{}
		return c.Get(t.Context(), key(lost.Name), found) == nil && found.UID != lost.UID
	})
	operator.terminate(t)
}
