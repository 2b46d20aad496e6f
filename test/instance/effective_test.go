//go:build integration

package instance

import (
	"slices"
	"syscall"
	"testing"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

// The checkpointer is what has sessions wait at all: while it does not know that they are to, SHOW tells of a setting by which nobody waits.
func TestCopiesArePromisedOnlyOnceTheCheckpointerKnowsThatCommitsWaitForThem(t *testing.T) {
	for _, major := range []string{"17", "15"} {
		t.Run("PostgreSQL "+major, func(t *testing.T) {
			w := synchronous(t, 2, ofMajor(major))
			leader := w.named(w.record().Holder)
			standby := w.other(leader)
			standby.kill()
			w.eventually("commits wait for nobody", func() bool { return w.record().Quorum.Required == 1 && len(w.record().Quorum.Members) == 1 })
			leader.measures("quorum_effective", 1)
			checkpointer := leader.process("checkpointer")
			w.check(syscall.Kill(checkpointer, syscall.SIGSTOP))
			standby.run()
			standby.becomes(instanceapi.StateStreaming)
			leader.measures("quorum_effective", 0)
			for renewed := range 2 {
				revision := w.record().Revision
				w.eventually("the Lease is renewed", func() bool { return w.record().Revision > revision })
				if required := w.record().Quorum.Required; required != 1 {
					t.Fatalf("%d copies are promised after %d renewals, although the checkpointer knows of none", required, renewed+1)
				}
			}
			w.check(syscall.Kill(checkpointer, syscall.SIGCONT))
			w.eventually("two copies are promised", func() bool { return w.record().Quorum.Required == 2 })
			leader.measures("quorum_effective", 1)
		})
	}
}

// Each releases commits by the setting that it has read itself.
func TestWalsendersOfBeforeAreReplacedWhereCommitsAreToWaitForMore(t *testing.T) {
	for _, major := range []string{"17", "15"} {
		t.Run("PostgreSQL "+major, func(t *testing.T) {
			w := synchronous(t, 3, ofMajor(major))
			leader := w.named(w.record().Holder)
			before := leader.processes("walsender")
			w.asked = func(a *instanceapi.Availability) { a.SynchronousStandbys = 2 }
			for _, p := range w.pods {
				p.configure()
			}
			w.eventually("three copies are promised", func() bool { return w.record().Quorum.Required == 3 })
			for _, walsender := range leader.processes("walsender") {
				if slices.Contains(before, walsender) {
					t.Errorf("walsender %d may release commits by the former setting", walsender)
				}
			}
			leader.must("INSERT INTO notes VALUES ('second')")
		})
	}
}
