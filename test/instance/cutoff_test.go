//go:build integration

package instance

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

const cutOffStops = `fencing_stops_total{rule="leader_that_is_cut_off_stops"}`

// Clients reach it all the time, as from its own side of a network that was torn.
func TestALeaderThatIsCutOffEndsItsClientsAndGoesOnWhereNobodyElseCanLead(t *testing.T) {
	w := synchronous(t, 2, func(w *world) {
		w.asked = func(a *instanceapi.Availability) { a.LeaseDurationSeconds = 6 }
	})
	lease := time.Duration(w.availability().LeaseDurationSeconds) * time.Second
	former := w.named(w.record().Holder)
	heir := w.other(former)
	former.isolate("add")
	cut := time.Now()
	ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
	defer cancel()
	_, err := former.ask(ctx, "INSERT INTO notes VALUES ('not acknowledged')")
	switch waited := time.Since(cut); {
	case err == nil || errors.Is(err, context.DeadlineExceeded):
		t.Fatalf("after %s a commit that waits for a standby which is not there returns %v; want an error of the server", waited, err)
	case waited < lease:
		t.Errorf("it was stopped after %s, in a lease of %s", waited, lease)
	}
	former.measures(cutOffStops, 1)
	if _, err := former.query("SELECT 1"); err == nil {
		t.Error("it serves what may be old")
	}
	w.succeeds(former)

	w.eventually("who lacks a standby is the only member", func() bool { return len(w.record().Quorum.Members) == 1 })
	started := heir.answers().Postgres.StartedAt
	heir.isolate("add")
	heir.measuresThat("lease_renewal_age_seconds", "is beyond the lease", func(age float64) bool { return age > (lease + 3*time.Second).Seconds() })
	heir.must("INSERT INTO notes VALUES ('third')")
	if after := heir.answers().Postgres.StartedAt; !after.Equal(started) {
		t.Error("it was started again")
	}
	heir.measures(cutOffStops, 0)

	for _, p := range w.pods {
		p.isolate("delete")
	}
	former.becomes(instanceapi.StateStreaming)
	for _, p := range w.pods {
		p.reads(notes, "first second third")
	}
}

// isolate adds, or deletes, what keeps a pod from the API server and from all other instances. Everybody else reaches it.
func (p *pod) isolate(addOrDelete string) {
	p.w.t.Helper()
	ip := "ip -n " + p.network()
	commands := fmt.Sprintf("%s rule %s to %s ipproto tcp dport %d blackhole", ip, addOrDelete, bridgeAddress, apiPort)
	for _, other := range p.w.pods {
		if other != p {
			commands += fmt.Sprintf(" && %s route %s blackhole %s/32", ip, addOrDelete, p.w.address(other.ordinal))
		}
	}
	p.w.check(shell(commands))
}
