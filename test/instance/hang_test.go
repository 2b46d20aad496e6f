//go:build integration

package instance

import (
	"syscall"
	"testing"

	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// Its manager goes on, and with it its heartbeats and its renewals: nobody but the manager could miss the server.
func TestALeaderWhoseServerHangsGivesWay(t *testing.T) {
	w := synchronous(t, 2)
	former := w.named(w.record().Holder)
	for postmaster := range supervisor.ChildrenOf(former.container.Process.Pid) {
		for child := range supervisor.ChildrenOf(postmaster) {
			_ = syscall.Kill(child, syscall.SIGSTOP) // it may have ended just now
		}
		w.check(syscall.Kill(postmaster, syscall.SIGSTOP))
	}
	w.succeeds(former)
	former.measures(`fencing_stops_total{rule="server_hangs"}`, 1)
	former.becomes(instanceapi.StateStreaming)
	former.reads(notes, "first second")
}
