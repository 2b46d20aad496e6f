//go:build integration

package instance

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

func TestAMemberThatCannotBeRepairedSaysSoAndIsClonedOnceItIsLetGo(t *testing.T) {
	durability := instanceapi.DurabilityRequired
	w := synchronous(t, 2, func(w *world) {
		w.asked = func(a *instanceapi.Availability) { a.Durability = durability }
	})
	standby := w.pods[2]
	standby.kill()
	interruptRewind(w, standby)
	standby.run()
	standby.configure()
	status := standby.waitsFor(instanceapi.WaitIrreparable)
	if !strings.Contains(status.Message, "shop-1 has too few members") {
		t.Errorf("the message does not say why: %q", status.Message)
	}
	if !slices.Contains(w.record().MemberNames(), standby.name) {
		t.Error("it is no member any more, although commits were to be on both")
	}
	before := status.Volume.Incarnation

	durability = instanceapi.DurabilityPreferred
	w.pods[1].configure()
	standby.configure()
	standby.becomes(instanceapi.StateStreaming)
	if after := standby.answers().Volume.Incarnation; after == before {
		t.Error("it was not cloned anew")
	}
	standby.reads(notes, "first")
}

// interruptRewind leaves the identity as a rewind does that was killed half-way.
func interruptRewind(w *world, p *pod) {
	w.t.Helper()
	file := filepath.Join(p.directory, "data", "identity.json")
	content, err := os.ReadFile(file)
	w.check(err)
	begun := bytes.Replace(content, []byte("{"), []byte(`{"rewinding": true,`), 1)
	w.check(os.WriteFile(file, begun, 0o600))
}
