//go:build integration

package instance

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// takeOver is how one leader goes and another comes. Stays: its manager goes on, and may vote.
var takeOver = []struct {
	how, major string
	stays      bool
	end        func(*world, *pod)
	back       func(*pod)
}{
	{"the postmaster is killed", "17", true, func(w *world, p *pod) {
		w.check(p.inside("kill", "-KILL", fmt.Sprint(p.answers().Postgres.PID)))
	}, func(*pod) {}},
	{"one of its processes crashes", "15", true, func(w *world, p *pod) {
		w.check(p.inside("sh", "-c", `for p in /proc/[0-9]*; do if grep -q 'wal[w]riter' "$p/cmdline"; then kill -SEGV "${p#/proc/}"; fi; done`))
	}, func(*pod) {}},
	{"PID 1 is killed", "15", false, func(_ *world, p *pod) { p.kill() }, func(p *pod) { p.run() }},
	{"PID 1 is asked to end", "17", false, func(_ *world, p *pod) { p.terminate() }, func(p *pod) { p.run() }},
	{"it is cut off", "15", false, func(w *world, p *pod) { w.check(shell("ip link set " + p.link() + " down")) },
		func(p *pod) { p.w.check(shell("ip link set " + p.link() + " up")) }},
	{"it is frozen", "17", false, func(w *world, p *pod) { w.check(p.signalAll("STOP")) }, func(p *pod) { p.w.check(p.signalAll("CONT")) }},
}

func TestAnotherMemberTakesOverAndTheFormerLeaderFollows(t *testing.T) {
	for _, fault := range takeOver {
		t.Run(fault.how, func(t *testing.T) {
			var w *world
			var former *pod
			var served func() []string
			for tried := 1; ; tried++ {
				w = synchronous(t, 3, ofMajor(fault.major))
				former = w.named(w.record().Holder)
				served = w.served(naming.PrimaryService(clusterName))
				before, began := w.record().Term, time.Now()
				fault.end(w, former)
				w.eventually("somebody leads in a later term and takes writes", func() bool {
					record := w.record()
					if record.Holder == "" || record.Term == before {
						return false
					}
					_, err := w.named(record.Holder).query(once("second"))
					return err == nil
				})
				t.Logf("writes are back after %d ms", time.Since(began).Milliseconds())
				if w.record().Holder != former.name {
					break
				}
				// One whose manager goes on stands like the others, and is elected where the machine is so busy that it has started before they were done.
				if !fault.stays || tried == 3 {
					t.Fatalf("%s leads again, in try %d", former.name, tried)
				}
				t.Log("the former leader was elected again, so that this is no takeover: once more")
			}
			fault.back(former)
			for _, p := range w.pods {
				p.reads(notes, "first second")
			}
			former.becomes(instanceapi.StateStreaming)
			w.eventually("all three are members again", func() bool { return len(w.record().Quorum.Members) == 3 })
			if last := w.record().LastFailover; last == nil || last.From != former.name || last.To != w.record().Holder || last.Cause == "" {
				t.Errorf("the Lease tells of the failover: %+v", last)
			}
			w.eventually("the Lease tells when it was over", func() bool { return !w.record().LastFailover.OpenedAt.IsZero() })
			// In between nobody may be in it: see endpoints.Closed.
			only := func() []string { return slices.DeleteFunc(served(), func(state string) bool { return state == "" }) }
			want := []string{former.name, w.record().LastFailover.To}
			w.eventually("the Service leads to the former leader and then to the new one", func() bool { return slices.Equal(only(), want) })
			w.tellsOfTakeover(former, !fault.stays, strings.HasPrefix(fault.how, "PID 1"))
		})
	}
}

// succeeds waits until another one than the former leader leads, and has taken the second note.
func (w *world) succeeds(former *pod) {
	w.t.Helper()
	w.eventually("another one leads and takes writes", func() bool {
		holder := w.record().Holder
		if holder == "" || holder == former.name {
			return false
		}
		_, err := w.named(holder).query(once("second"))
		return err == nil
	})
}

// successor of the former leader, once the Lease names one. It is read once for each look: a Lease that is released between two reads names nobody.
func (w *world) successor(former *pod) (successor *pod) {
	w.t.Helper()
	w.eventually("another one leads", func() bool {
		holder := w.record().Holder
		if holder == "" || holder == former.name {
			return false
		}
		successor = w.named(holder)
		return true
	})
	return successor
}

func TestASwitchoverIsRefusedWhereItCannotBeDoneAtOnce(t *testing.T) {
	w := synchronous(t, 3)
	before := w.record()
	for to, reason := range map[string]string{"shop-9": "NotMember", before.Holder: "AlreadyLeader"} {
		if _, err := w.named(before.Holder).client.Switchover(w.ctx, instanceapi.SwitchoverRequest{To: to}); err == nil || !isRefused(err, reason) {
			t.Errorf("a switchover to %s: %v; want %s", to, err, reason)
		}
	}
	for _, p := range w.pods {
		if p.name != before.Holder {
			if _, err := p.client.Switchover(w.ctx, instanceapi.SwitchoverRequest{}); !isRefused(err, "NotLeader") {
				t.Errorf("a switchover asked of %s: %v; want NotLeader", p.name, err)
			}
		}
	}
	// One that has everything on disk, and would make clients wait until it has replayed it.
	leader := w.named(before.Holder)
	lagging := w.other(leader)
	w.check(lagging.superuser("SELECT pg_wal_replay_pause()"))
	leader.must("CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
	w.eventually("a switchover to one that lags is refused", func() bool {
		_, err := leader.client.Switchover(w.ctx, instanceapi.SwitchoverRequest{To: lagging.name})
		if err == nil {
			t.Fatal("it hands over to one that lags")
		}
		return isRefused(err, "Lagging") && strings.Contains(err.Error(), lagging.name) // and not that it is busy
	})
	leader.must("INSERT INTO notes VALUES ('second')")
	if after := w.record(); after.Term != before.Term || after.Holder != before.Holder {
		t.Errorf("%s led in term %d, and %s does in term %d", before.Holder, before.Term, after.Holder, after.Term)
	}
	if !leader.status().Ready {
		t.Error("the leader does not serve")
	}
	w.check(lagging.superuser("SELECT pg_wal_replay_resume()"))
	lagging.reads(notes, "first second")
}

func TestASwitchoverPassesTheLeaseByName(t *testing.T) {
	w := synchronous(t, 3)
	former := w.named(w.record().Holder)
	for n := range w.pods {
		if p := w.pods[n]; p != former {
			_, err := former.client.Switchover(w.ctx, instanceapi.SwitchoverRequest{To: p.name})
			w.check(err)
			w.eventually("it leads", func() bool { return w.record().Holder == p.name })
			p.becomes(instanceapi.StateRunning)
			p.must("INSERT INTO notes VALUES ('second')")
			p.measures(`handovers_total{outcome="taken"}`, 1)
			break
		}
	}
	former.becomes(instanceapi.StateStreaming)
	former.reads(notes, "first second")
	for _, series := range []string{`handovers_total{outcome="passed"}`, "handover_release_seconds", "handover_seconds"} {
		former.measures(series, 1)
	}
	record := w.record()
	if record.LastFailover == nil || record.LastFailover.Cause != "Handover" || record.Term != 2 {
		t.Errorf("the Lease says %+v", record)
	}
	if log, err := os.ReadFile(former.logFile()); err != nil || strings.Contains(string(log), "rewinding") {
		t.Errorf("the former leader was rewound, although it handed over: %v", err)
	}
}

func isRefused(err error, reason string) bool {
	refused, ok := instanceapi.Refused(err)
	return ok && refused.Answer.Reason == reason
}

// signalAll sends a signal to every process of the container, PID 1 first.
func (p *pod) signalAll(signal string) error {
	first := strconv.Itoa(p.container.Process.Pid)
	// Everything in the PID namespace of the container.
	script := fmt.Sprintf(`ns=$(readlink /proc/%s/ns/pid); for d in /proc/[0-9]*; do [ "$(readlink $d/ns/pid 2>/dev/null)" = "$ns" ] && kill -%s ${d#/proc/}; done; true`, first, signal)
	return exec.CommandContext(p.w.ctx, "sh", "-c", script).Run()
}

// synchronous is a cluster whose commits wait for as many standbys as they are to.
func synchronous(t *testing.T, instances int, prepare ...func(*world)) *world {
	t.Helper()
	w := cluster(t, instances, prepare...)
	w.eventually("commits wait for a standby", func() bool {
		q := w.record().Quorum
		return q.Required == w.availability().SynchronousStandbys+1 && len(q.Members) == instances
	})
	// Enough of them had to be connected for that, and not yet all.
	w.eventually("all standbys stream", func() bool {
		streaming := 0
		for _, p := range w.pods {
			status := p.status()
			if !status.Leader {
				continue
			}
			for _, replica := range status.Postgres.Replicas {
				if replica.State == "streaming" {
					streaming++
				}
			}
		}
		return streaming == instances-1
	})
	// And what the Lease says reaches them one after the other; who has not read it refuses what it allows.
	w.eventually("all know it", func() bool {
		revision := w.record().Revision
		for _, p := range w.pods {
			if p.status().Volume.Revision < revision {
				return false
			}
		}
		return true
	})
	return w
}

func (w *world) named(name string) *pod {
	w.t.Helper()
	for _, p := range w.pods {
		if p.name == name {
			return p
		}
	}
	w.t.Fatalf("there is no instance %q", name)
	return nil
}

func TestAHistoryOfALeaderWhoseWALNeverCameIsForgotten(t *testing.T) {
	w := synchronous(t, 3)
	var standby *pod
	for _, p := range w.pods {
		if p.name != w.record().Holder {
			standby = p
		}
	}
	standby.kill()
	history := standby.directory + "/data/pgdata/pg_wal/00000002.history"
	w.check(os.WriteFile(history, []byte("1\tFF/0\tno recovery target specified\n"), 0o644))
	standby.run()
	standby.becomes(instanceapi.StateStreaming)
	w.leader().must("INSERT INTO notes VALUES ('second')")
	standby.reads(notes, "first second")
	if _, err := os.Stat(history); !os.IsNotExist(err) {
		t.Errorf("the history is still there: %v", err)
	}
}

// What was acknowledged is on a standby's disk, and what a client reads there keeps it from being replayed. PostgreSQL is told to wait for that client for ever.
func TestAReplayThatSomebodyHasPausedKeepsNeitherTakeoverNorHandoverWaiting(t *testing.T) {
	w := synchronous(t, 2, ofMajor("15"))
	former := w.named(w.record().Holder)
	heir := w.other(former)
	w.check(heir.superuser("SELECT pg_wal_replay_pause()"))
	former.must("INSERT INTO notes VALUES ('acknowledged')")
	former.kill()
	w.succeeds(former)
	heir.reads(notes, "acknowledged first second")
	heir.logs("resuming replay, which was paused")

	former.run()
	former.becomes(instanceapi.StateStreaming)
	w.eventually("commits wait for it", func() bool { return w.record().Quorum.Required == 2 })
	w.check(former.superuser("SELECT pg_wal_replay_pause()"))
	heir.must("INSERT INTO notes VALUES ('third')")
	heir.terminate()
	if record := w.record(); record.LastFailover == nil || record.LastFailover.From != heir.name || record.LastFailover.Cause != election.CauseHandover {
		t.Errorf("it was no handover: %+v", record.LastFailover)
	}
	former.reads(notes, "acknowledged first second third")
}

// It is not needed to elect, nor named. But it leaves the former leader, and is led to the next one only once it is known what it holds.
func TestAStandbyWhoseReplayIsPausedFollowsAnotherLeader(t *testing.T) {
	w := synchronous(t, 3)
	former := w.named(w.record().Holder)
	paused := w.other(former)
	w.check(paused.superuser("SELECT pg_wal_replay_pause()"))
	former.must("INSERT INTO notes VALUES ('third')")
	for _, p := range w.pods {
		if p != paused {
			p.reads(notes, "first third") // the one that is behind is not named
		}
	}
	former.terminate()
	w.leader()
	if record := w.record(); record.LastFailover == nil || record.LastFailover.Cause != election.CauseHandover || record.Holder == paused.name {
		t.Fatalf("it was no handover to the third instance: %+v, and %q leads", record.LastFailover, record.Holder)
	}
	paused.becomes(instanceapi.StateStreaming)
	paused.reads(notes, "first third")
}

func TestAQueryThatKeepsReplayWaitingKeepsNoTakeoverWaiting(t *testing.T) {
	w := synchronous(t, 2, func(w *world) {
		w.parameters = map[string]string{"max_standby_streaming_delay": "-1", "max_standby_archive_delay": "-1"}
	})
	former := w.named(w.record().Holder)
	heir := w.other(former)
	session, err := heir.connect()
	w.check(err)
	defer session.Close(w.ctx)
	_, err = session.Exec(w.ctx, "BEGIN; SELECT FROM notes")
	w.check(err)
	former.must("ALTER TABLE notes ADD COLUMN more text")
	former.must("INSERT INTO notes VALUES ('acknowledged')")
	w.eventually("replay waits for the query", func() bool {
		return heir.superuser("DO $$BEGIN IF (SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE backend_type = 'startup') IS NOT TRUE THEN RAISE 'it does not'; END IF; END$$") == nil
	})
	w.check(session.Ping(w.ctx))
	began := time.Now()
	former.kill()
	w.succeeds(former)
	t.Logf("writes are back after %d ms", time.Since(began).Milliseconds())
	heir.reads(notes, "acknowledged first second")
	if err := session.Ping(w.ctx); err == nil {
		t.Error("the session is still there")
	}
	heir.logs("ending clients' sessions that keep replay waiting")
}

// One of three that is left cannot know whether it has all that was acknowledged.
func TestAVoterThatLacksVotesSaysWhoseTheyAre(t *testing.T) {
	w := synchronous(t, 3)
	former := w.named(w.record().Holder)
	gone := w.other(former)
	left := w.other(former, gone)
	gone.kill()
	former.kill()
	names := []string{former.name, gone.name}
	slices.Sort(names)
	w.eventually("it says what it waits for", func() bool {
		return strings.Contains(left.status().Message, "cannot lead yet: 1 of 2 votes are there, and none of "+strings.Join(names, ", "))
	})
	gone.run()
	gone.configure()
	w.succeeds(former)
	former.run()
	former.becomes(instanceapi.StateStreaming)
	for _, p := range w.pods {
		p.reads(notes, "first second")
	}
}

// A promise is worth nothing that a restart forgets: by then its votes may have elected somebody.
func TestAVoterThatRestartsKeepsItsPromise(t *testing.T) {
	w := synchronous(t, 3)
	former := w.named(w.record().Holder)
	gone := w.other(former)
	voter := w.other(former, gone)
	gone.kill()
	former.kill()
	voter.logs("voting")
	promised := func() int64 {
		if promise := voter.status().Volume.Promise; promise != nil {
			return *promise
		}
		return 0
	}
	before := promised()
	if before != w.record().Revision {
		t.Fatalf("it has promised revision %d, and the Lease is at %d", before, w.record().Revision)
	}
	w.check(env.api.freeze()) // so that it cannot read anything newer, nor vote anew
	defer func() { w.check(env.api.thaw()) }()
	voter.kill()
	voter.run()
	voter.configure()
	former.run() // it restarts in place, and would be followed
	former.configure()
	w.eventually("its server runs again", func() bool { return voter.status().Postgres != nil && voter.status().Postgres.ReplayPosition != "" })
	if after := promised(); after != before {
		t.Errorf("it remembers to have promised revision %d, and not %d", after, before)
	}
	if status := voter.status(); status.State == instanceapi.StateStreaming {
		t.Errorf("it follows a leader that it has promised not to: %+v", status)
	}
	w.check(env.api.thaw())
	gone.run()
	gone.configure()
	for _, p := range w.pods {
		p.reads(notes, "first")
	}
}
