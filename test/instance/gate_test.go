//go:build integration

package instance

import (
	"context"
	"testing"
)

// A leader that goes on after it was given up for lost finds nobody who confirms its commits: whoever is elected meanwhile would not have them. Here nobody can
// be elected, and the Lease stays as they have read it, so that the votes hold.
func TestALeaderThatGoesOnAfterTheOthersHaveVotedGetsNoCommitConfirmed(t *testing.T) {
	for _, major := range []string{"17", "15"} {
		t.Run("PostgreSQL "+major, func(t *testing.T) {
			w := synchronous(t, 3, ofMajor(major))
			leader := w.named(w.record().Holder)
			w.mayWriteLease(false)
			w.check(leader.signalAll("STOP"))
			for _, p := range w.pods {
				if p != leader {
					p.logs("voting")
				}
			}
			w.check(leader.signalAll("CONT"))
			ctx, cancel := context.WithCancel(w.ctx)
			defer cancel()
			ended := make(chan error, 1)
			go func() {
				_, err := leader.ask(ctx, "INSERT INTO notes VALUES ('unconfirmed')")
				ended <- err
			}()
			w.eventually("the commit waits for a standby", func() bool {
				if len(ended) > 0 {
					t.Fatalf("it does not wait: %v", <-ended)
				}
				waiting, err := leader.query("SELECT count(*)::text FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
				return err == nil && waiting == "1"
			})
			for _, p := range w.pods {
				if receiver := p.process("walreceiver"); receiver != 0 {
					t.Errorf("%s has voted, and its walreceiver %d still confirms", p.name, receiver)
				}
			}
			cancel()
			if err := <-ended; err == nil {
				t.Error("the commit was acknowledged, although the others have voted")
			}
			w.mayWriteLease(true)
			w.eventually("writes pass again", func() bool {
				_, err := w.leader().query(once("second"))
				return err == nil
			})
		})
	}
}
