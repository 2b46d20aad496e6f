//go:build cluster

package running

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/timonier-io/timonier/dev/localcluster/test/testcluster"
)

func TestOneDirectionIsCutWhileTheOtherOneWorks(t *testing.T) {
	first, second := listen(t, "node-1", "10.90.0.11"), listen(t, "node-2", "10.90.0.12")
	mustArrive(t, first, second)
	mustArrive(t, second, first)

	testcluster.Localcluster(t, "link", "cut", "node-1", "node-2")
	testcluster.Localcluster(t, "link", "cut", "node-1", "node-2") // changes nothing
	t.Cleanup(func() { testcluster.Localcluster(t, "link", "mend", "node-1", "node-2") })
	mustVanish(t, first, second)
	mustArrive(t, second, first)
	if status := testcluster.Localcluster(t, "status"); strings.Count(status, "CUT") != 1 || !strings.Contains(status, "from node-1 to node-2") {
		t.Errorf("status does not show the one direction that is cut:\n%s", status)
	}
	testcluster.Localcluster(t, "link", "mend", "node-1", "node-2")
	mustArrive(t, first, second)

	// Mending one cut leaves the other ones.
	testcluster.Localcluster(t, "link", "cut", "all", "node-2")
	testcluster.Localcluster(t, "link", "cut", "node-1", "node-2")
	testcluster.Localcluster(t, "link", "mend", "node-1", "node-2")
	mustVanish(t, first, second)
	mustArrive(t, second, first)
	testcluster.Localcluster(t, "link", "mend", "all", "node-2")
	mustArrive(t, first, second)
}

func TestUpMendsWhatIsCut(t *testing.T) {
	testcluster.Localcluster(t, "link", "cut", "node-3", "host")
	testcluster.NodeIs(t, notReadyWithin, "node-3", "Unknown")
	testcluster.Localcluster(t, "up")
	if status := testcluster.Localcluster(t, "status"); strings.Contains(status, "CUT") {
		t.Errorf("something is still cut:\n%s", status)
	}
	testcluster.NodeIs(t, 30*time.Second, "node-3", "True")
}

// listen on a free UDP port in a node's namespace: with TCP neither direction works without the other.
func listen(t *testing.T, node, address string) *net.UDPConn {
	t.Helper()
	type result struct {
		socket *net.UDPConn
		err    error
	}
	results := make(chan result)
	go func() {
		// A socket stays in the namespace in which it was made. The thread is not given back, and ends with the goroutine.
		runtime.LockOSThread()
		namespace, err := os.Open("/run/netns/lc-" + node)
		if err == nil {
			err = errors.Join(unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET), namespace.Close())
		}
		if err != nil {
			results <- result{err: err}
			return
		}
		socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(address)})
		results <- result{socket, err}
	}()
	made := <-results
	if made.err != nil {
		t.Fatalf("listening on %s: %v", node, made.err)
	}
	t.Cleanup(func() { made.socket.Close() })
	return made.socket
}

// arrives tells whether one of some packets from one socket to another arrives.
func arrives(t *testing.T, from, to *net.UDPConn) bool {
	t.Helper()
	word := fmt.Sprint(time.Now().UnixNano())
	for range 5 {
		if _, err := from.WriteTo([]byte(word), to.LocalAddr()); err != nil && !errors.Is(err, unix.EPERM) {
			t.Fatal(err)
		}
		if err := to.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 100)
		for {
			n, _, err := to.ReadFrom(buffer)
			if err != nil {
				break
			}
			if string(buffer[:n]) == word {
				return true
			}
		}
	}
	return false
}

func mustArrive(t *testing.T, from, to *net.UDPConn) {
	t.Helper()
	if !arrives(t, from, to) {
		t.Fatalf("nothing arrives from %s at %s", from.LocalAddr(), to.LocalAddr())
	}
}

func mustVanish(t *testing.T, from, to *net.UDPConn) {
	t.Helper()
	if arrives(t, from, to) {
		t.Fatalf("what %s sends still arrives at %s", from.LocalAddr(), to.LocalAddr())
	}
}
