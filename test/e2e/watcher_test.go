//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	corev1 "k8s.io/api/core/v1"

	"github.com/timonier-io/timonier/internal/naming"
)

const (
	// watchEvery is how often all instances are asked whether they take writes.
	watchEvery = 200 * time.Millisecond
	// answerWithin is how long one may take: one whose node is gone does not answer at all.
	answerWithin = time.Second
)

// watcher asks all instances again and again whether they take writes, as an application would: over TCP, as the
// role app. One that admits nobody cannot take writes.
type watcher struct {
	cluster *cluster
	cancel  context.CancelFunc
	done    chan struct{}

	// pods as last seen: they are asked as well while the API is away.
	pods []corev1.Pod

	mutex      sync.Mutex
	rounds     int
	violations []string
}

// watchPrimaries until the test ends, or finish is called.
func (c *cluster) watchPrimaries() *watcher {
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.t.Context()))
	w := &watcher{cluster: c, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.watch(ctx)
	}()
	c.t.Cleanup(func() {
		cancel()
		<-w.done
	})
	return w
}

func (w *watcher) finish() {
	w.cluster.t.Helper()
	w.cancel()
	<-w.done
	if len(w.violations) > 0 {
		w.cluster.t.Errorf("there were two writable primaries: %v", w.violations[:min(len(w.violations), 5)])
	}
	if w.rounds == 0 {
		w.cluster.t.Error("the watcher never saw anything")
	}
}

func (w *watcher) watch(ctx context.Context) {
	connections := map[string]*pgx.Conn{}
	defer func() {
		for _, connection := range connections {
			_ = connection.Close(context.WithoutCancel(ctx))
		}
	}()
	for ctx.Err() == nil {
		writable := w.ask(ctx, connections)
		if len(writable) > 1 {
			// One may have ceased before the other began: they are two only where the first still takes writes.
			if still := w.askAgain(ctx, connections, writable); len(still) > 1 {
				w.mutex.Lock()
				w.violations = append(w.violations, fmt.Sprintf("%s: %v", time.Now().Format(time.TimeOnly), still))
				w.mutex.Unlock()
			}
		}
		w.mutex.Lock()
		w.rounds++
		w.mutex.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(watchEvery): // the pace of polling
		}
	}
}

// ask every pod of the cluster, by the pod's identity: one of the same name may be another server.
func (w *watcher) ask(ctx context.Context, connections map[string]*pgx.Conn) []string {
	var writable []string
	if found, err := w.cluster.listInstancePods(ctx); err == nil {
		w.pods = found
	}
	for _, pod := range w.pods {
		key := pod.Name + "/" + string(pod.UID)
		if connections[key] == nil {
			connection, err := w.connect(ctx, pod.Name, pod.Status.PodIP)
			if err != nil {
				continue
			}
			connections[key] = connection
		}
		if takesWrites(ctx, connections, key) {
			writable = append(writable, key)
		}
	}
	return writable
}

func (w *watcher) askAgain(ctx context.Context, connections map[string]*pgx.Conn, keys []string) []string {
	var writable []string
	for _, key := range keys {
		if connections[key] != nil && takesWrites(ctx, connections, key) {
			writable = append(writable, key)
		}
	}
	return writable
}

func (w *watcher) connect(ctx context.Context, instance, address string) (*pgx.Conn, error) {
	if address == "" {
		return nil, fmt.Errorf("%s has no address yet", instance)
	}
	as, err := w.cluster.credentials(naming.DefaultRole)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	return dial(ctx, address, naming.InstanceHost(w.cluster.name, w.cluster.space.name, instance), as)
}

// takesWrites over a connection that is open; one that fails is closed and forgotten.
func takesWrites(ctx context.Context, connections map[string]*pgx.Conn, key string) bool {
	asking, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	inRecovery := true
	if err := connections[key].QueryRow(asking, "SELECT pg_is_in_recovery()").Scan(&inRecovery); err != nil {
		closing, cancel := context.WithTimeout(ctx, answerWithin)
		defer cancel()
		_ = connections[key].Close(closing)
		delete(connections, key)
		return false
	}
	return !inRecovery
}
