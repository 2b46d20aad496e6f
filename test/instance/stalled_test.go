//go:build integration

package instance

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/metrics"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// What a leader has to write comes to no end, at a moment at which no server of it leads: before it does, after it did, and in between. Its manager lives, and is heard.

// twoOfThem is the leader and its standby, which was started anew with this environment.
func twoOfThem(t *testing.T, environment ...string) (w *world, former, heir *pod) {
	t.Helper()
	w = synchronous(t, 2)
	former = w.named(w.record().Holder)
	heir = w.other(former)
	heir.kill()
	heir.run(environment...)
	heir.becomes(instanceapi.StateStreaming)
	w.eventually("commits wait for it again", func() bool { q := w.record().Quorum; return q.Required == 2 && len(q.Members) == 2 })
	return w, former, heir
}

func TestASuccessorWhoseVolumeTakesNoWritesBeforeItLeadsIsSucceeded(t *testing.T) {
	w, former, heir := twoOfThem(t, "TIMONIER_TEST_HANG_AT=promote: begin")
	loop, probe := heir.stallsAt("run/hangs"), heir.stalls("data")
	former.kill()
	w.eventually("it holds the Lease", func() bool { return w.record().Holder == heir.name })
	former.run()
	w.succeeds(heir)
	heir.measures(`fencing_stops_total{rule="`+metrics.StalledWritePath+`"}`, 1)
	if status := heir.status(); status.State != instanceapi.StateFailed || status.Postgres != nil || status.Leader {
		t.Errorf("it says %+v", status)
	}
	loop()
	probe()
	heir.becomes(instanceapi.StateStreaming)
	heir.reads(notes, "first second")
}

func TestASuccessorWhoseServerDoesNotEndItsRecoveryIsSucceeded(t *testing.T) {
	w, former, heir := twoOfThem(t, "TIMONIER_TEST_HANG_AT=promote: begin")
	loop := heir.stallsAt("run/hangs")
	former.kill()
	w.eventually("it holds the Lease", func() bool { return w.record().Holder == heir.name })
	for postmaster := range supervisor.ChildrenOf(heir.container.Process.Pid) {
		for child, title := range supervisor.ChildrenOf(postmaster) {
			if strings.Contains(title, "startup") {
				w.check(syscall.Kill(child, syscall.SIGSTOP))
			}
		}
	}
	former.run()
	loop()
	heir.measures(`fencing_stops_total{rule="`+metrics.HangingServer+`"}`, 1)
	w.eventually("somebody takes writes", func() bool {
		holder := w.record().Holder
		if holder == "" {
			return false
		}
		_, err := w.named(holder).query(once("second"))
		return err == nil
	})
	for _, p := range w.pods {
		p.reads(notes, "first second")
	}
}

func TestALeaderWhoseServerDiesWhileItsManagerWaitsForAVolumeIsSucceeded(t *testing.T) {
	w := synchronous(t, 3)
	former := w.named(w.record().Holder)
	server := former.answers().Postgres.PID
	probe, identity := former.stalls("data"), former.stallsAt(identityWritten)
	lost := w.other(former)
	lost.kill()
	former.loopStands() // who is a member is to be written down
	w.check(former.inside("kill", "-KILL", strconv.Itoa(server)))
	lost.run()
	w.succeeds(former)
	identity()
	probe()
	former.becomes(instanceapi.StateStreaming)
	former.reads(notes, "first second")
}

// loopStands waits until the loop takes no request any more.
func (p *pod) loopStands() {
	p.w.t.Helper()
	p.w.eventually("the loop of "+p.name+" stands", func() bool {
		ctx, cancel := context.WithTimeout(p.w.ctx, time.Second)
		defer cancel()
		_, err := p.client.Switchover(ctx, instanceapi.SwitchoverRequest{To: "nobody"})
		return errors.Is(err, context.DeadlineExceeded)
	})
}

// Its server takes writes, and acknowledges them: after the lease another one may lead, whether its manager can see to that or not.
func TestAnAsynchronousLeaderWhoseManagerWaitsForAVolumeIsStoppedAtTheEndOfItsLease(t *testing.T) {
	w := cluster(t, 3, func(w *world) {
		w.asked = func(a *instanceapi.Availability) { a.Mode = instanceapi.ModeAsynchronous }
	})
	w.eventually("all three are members, each of which may take the Lease", func() bool {
		q := w.record().Quorum
		return q.Mode == election.ModeAsynchronous && len(q.Members) == 3
	})
	former := w.named(w.record().Holder)
	identity := former.stallsAt(identityWritten)
	lost := w.other(former)
	lost.kill()
	former.loopStands() // who is a member is to be written down
	former.must("INSERT INTO notes VALUES ('acknowledged')")
	former.measures(`fencing_stops_total{rule="`+metrics.LeaseEnded+`"}`, 1)
	lost.run()
	w.succeeds(former)
	identity()
	former.becomes(instanceapi.StateStreaming)
	former.reads(notes, "acknowledged first second")
}

func TestALeaderThatCannotWriteDownThatItHandsOverIsSucceeded(t *testing.T) {
	w := synchronous(t, 2)
	former := w.named(w.record().Holder)
	identity := former.stallsAt(identityWritten)
	if _, err := former.client.Switchover(w.ctx, instanceapi.SwitchoverRequest{}); err != nil {
		t.Fatal(err)
	}
	w.succeeds(former)
	identity()
	former.becomes(instanceapi.StateStreaming)
	former.reads(notes, "first second")
}

// It answers, and says nothing of what it is: whoever comes back meanwhile finds nobody silent.
func TestALeaderThatStartsOverAVolumeWhichDoesNotAnswerIsSucceeded(t *testing.T) {
	w := synchronous(t, 2)
	former := w.named(w.record().Holder)
	heir := w.other(former)
	w.check(heir.signalAll("STOP"))
	former.kill()
	identity := filepath.Join(former.directory, "data/identity.json")
	kept, err := os.ReadFile(identity)
	w.check(err)
	w.check(os.Remove(identity))
	w.check(syscall.Mkfifo(identity, 0o666))
	former.run()
	w.eventually("it answers", func() bool { return former.status().State != "" })
	w.check(heir.signalAll("CONT"))
	w.succeeds(former)
	w.check(os.Remove(identity))
	w.check(os.WriteFile(identity, kept, 0o600))
	w.check(os.Chown(identity, podUID, 10001))
	former.kill()
	former.run()
	former.becomes(instanceapi.StateStreaming)
	former.reads(notes, "first second")
}
