package faults

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/test/workload"
)

// Who comes from within the network of the primary's pod, as a pod on the same node does, is not cut off with it: a cable that is pulled, or a way that is
// cut, is none of its. It sees what a former primary shows, and has acknowledged by it what that still acknowledges.

// comeBeside begins to read from what is the primary now, and with writes to write to it as well.
func (t *Target) comeBeside(ctx context.Context, load *workload.Load, writes bool) error {
	within, err := networkOf(t, t.Primary)
	if err != nil {
		return err
	}
	t.network = within
	config := t.Entry.Copy()
	config.Host, config.Port = t.Pods[t.Primary].Status.PodIP, naming.PortPostgres
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		return dialWithin(ctx, within, network, address)
	}
	if t.reader, err = readsOn(ctx, config, load); err != nil || !writes {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	return load.Beside(ctx, config)
}

// leaveBeside ends what comeBeside began; the load ends its client itself.
func (t *Target) leaveBeside() {
	if t.reader != nil {
		t.reader.close()
	}
	if t.network != nil {
		_ = t.network.Close()
	}
}

// networkOf an instance's pod: it remains when its processes end.
func networkOf(t *Target, instance string) (*os.File, error) {
	all, err := processesOf(t.Pods[instance])
	if err != nil {
		return nil, err
	}
	return os.Open(filepath.Join(procfs, strconv.Itoa(all[0].pid), "ns", "net"))
}

// dialWithin connects from within a network.
func dialWithin(ctx context.Context, within *os.File, network, address string) (net.Conn, error) {
	type dialled struct {
		conn net.Conn
		err  error
	}
	answer := make(chan dialled, 1)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with its goroutine, rather than to serve others in that network
		if err := unix.Setns(int(within.Fd()), unix.CLONE_NEWNET); err != nil {
			answer <- dialled{nil, fmt.Errorf("entering the network of the pod: %w", err)}
			return
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		answer <- dialled{conn, err}
	}()
	got := <-answer
	return got.conn, got.err
}
