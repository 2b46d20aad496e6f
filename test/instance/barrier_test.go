//go:build integration

package instance

import (
	"strconv"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

// What it has after its recovery may be on its disk alone: whoever reads it must be able to rely on it.
func TestALeaderThatStartsAgainLetsNobodyInBeforeEnoughCopiesHaveItsRecovery(t *testing.T) {
	for _, major := range []string{"17", "15"} {
		t.Run("PostgreSQL "+major, func(t *testing.T) {
			w := synchronous(t, 3, ofMajor(major))
			leader := w.named(w.record().Holder)
			standby := w.other(leader)
			other := w.other(leader, standby)
			standby.kill()
			other.kill()
			before := leader.answers().Postgres.PID
			w.check(leader.inside("/bin/kill", "-KILL", strconv.Itoa(before)))
			w.eventually("it is a primary again", func() bool {
				server := leader.status().Postgres
				return server != nil && server.PID != before && !server.InRecovery && server.Position != ""
			})
			for range 2 { // it would long be open
				revision := w.record().Revision
				w.eventually("the Lease is renewed", func() bool { return w.record().Revision > revision })
				if status := leader.status(); status.State == instanceapi.StateRunning || status.Ready {
					t.Fatalf("it is open, and no standby has what it has recovered: %+v", status)
				}
			}
			if _, err := leader.query(notes); err == nil || !strings.Contains(err.Error(), "pg_hba.conf") {
				t.Errorf("a client gets in: %v", err)
			}
			standby.run()
			leader.becomes(instanceapi.StateRunning)
			leader.must("INSERT INTO notes VALUES ('second')")
		})
	}
}
