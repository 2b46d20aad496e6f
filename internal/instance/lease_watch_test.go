package instance

import (
	"testing"

	"github.com/timonier-io/timonier/internal/kubeapi"
)

func TestALeaderIsWokenByEveryChangeOfTheLeaseButWhatItWroteItself(t *testing.T) {
	m := measuring(t)
	own, other := &kubeapi.Lease{Holder: m.options.Instance}, &kubeapi.Lease{Holder: "somebody else"}
	if m.ownRenewal(own) {
		t.Error("an instance that does not lead has written nothing")
	}
	m.probes.Store(true)
	if !m.ownRenewal(own) {
		t.Error("a leader is woken by its own renewal")
	}
	if m.ownRenewal(other) || m.ownRenewal(&kubeapi.Lease{}) || m.ownRenewal(nil) {
		t.Error("a leader is not woken where the Lease is another's, nobody's or gone")
	}
}
