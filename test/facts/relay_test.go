//go:build integration

package facts

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
)

// relay is a way from one server to another that carries only so many bytes of its answers over each connection, and then is silent.
// The folder that it returns is the host to connect to.
func relay(t *testing.T, from, to *instance, bytes int64) (host string) {
	t.Helper()
	folder := from.folder(t, "relay")
	name := fmt.Sprintf(".s.PGSQL.%d", to.Port)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := from.Chown(filepath.Join(folder, name)); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			server, err := new(net.Dialer).DialContext(t.Context(), "unix", filepath.Join(to.Socket, name))
			if err != nil {
				_ = client.Close()
				continue
			}
			running.Go(func() { _, _ = io.CopyN(client, server, bytes) })
			running.Go(func() {
				_, _ = io.Copy(server, client)
				_ = errors.Join(server.Close(), client.Close())
			})
		}
	})
	return folder
}
