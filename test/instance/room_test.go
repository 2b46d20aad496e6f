//go:build integration

package instance

import (
	"syscall"
	"testing"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

// A session of a standby would go on over the promotion, able to write. Clients do not wait for its end: it comes while the leader stops.
func TestAnHeirEndsItsSessionsWhileItsLeaderStopsAndOpensAgainWhereThatIsGivenUp(t *testing.T) {
	w := synchronous(t, 3)
	leader := w.leader()
	heir := w.other(leader)
	startup := heir.startup()
	w.check(syscall.Kill(startup, syscall.SIGSTOP)) // so that it never says that it has everything
	session, err := heir.connect()
	w.check(err)
	defer session.Close(w.ctx)
	_, err = leader.client.Switchover(w.ctx, instanceapi.SwitchoverRequest{To: heir.name})
	w.check(err)
	w.eventually("the heir's session is ended", func() bool { return session.Ping(w.ctx) != nil })
	leader.measures(`handovers_total{outcome="given_up"}`, 1)
	w.eventually("the leader takes writes again", func() bool {
		_, err := leader.query(once("second"))
		return err == nil
	})
	w.check(syscall.Kill(startup, syscall.SIGCONT))
	heir.reads(notes, "first second")
	if record := w.record(); record.Term != 1 || record.Holder != leader.name {
		t.Errorf("%s leads in term %d, though nobody had everything", record.Holder, record.Term)
	}
}

func TestAFormerLeaderLetsNobodyInBeforeItsSuccessorIsOpen(t *testing.T) {
	w := synchronous(t, 3)
	former := w.leader()
	_, err := former.client.Switchover(w.ctx, instanceapi.SwitchoverRequest{})
	w.check(err)
	w.successor(former)
	w.eventually("the former leader serves reads", func() bool {
		_, err := former.query(notes)
		opened := !w.record().LastFailover.OpenedAt.IsZero()
		if err == nil && !opened {
			t.Fatal("it let a client in that looked for the leader, while nobody could write")
		}
		return err == nil
	})
}

func TestALeaderThatIsDeletedRefusesConnectionsUntilItsSuccessorIsOpen(t *testing.T) {
	w := synchronous(t, 3)
	former := w.leader()
	former.terminate()
	record := w.record()
	if record.Holder == former.name || record.LastFailover == nil || record.LastFailover.OpenedAt.IsZero() {
		t.Errorf("it has ended, and with it the address at which clients look for the leader, while the Lease says %+v", record)
	}
}
