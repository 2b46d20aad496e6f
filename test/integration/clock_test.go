//go:build integration

package integration

import (
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// later is by how much the operator's clock is ahead.
var later atomic.Int64

// now is the operator's clock.
func now() time.Time { return time.Now().Add(time.Duration(later.Load())) }

// pass has so much time go by for the operator.
func pass(by time.Duration) { later.Add(int64(by)) }

// wire is what the operator reaches the API server by. It can be cut, but for its own leadership: who lost that would end.
type wire struct {
	next http.RoundTripper
}

// cut says what of the wire is, of the requests that it concerns; lost counts those that found nobody.
var (
	cut  atomic.Pointer[func(*http.Request) bool]
	lost atomic.Int64
)

func (w wire) RoundTrip(request *http.Request) (*http.Response, error) {
	concerned := cut.Load()
	if concerned == nil || strings.Contains(request.URL.Path, "/namespaces/timonier-system/leases") || !(*concerned)(request) {
		return w.next.RoundTrip(request)
	}
	lost.Add(1)
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}
