//go:build integration

package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/metrics"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// tellsOfTakeover holds that the metrics tell what the Lease does: how a leader went, and another came.
// Away is a former leader that could not vote, restarted one whose program was started again.
func (w *world) tellsOfTakeover(former *pod, away, restarted bool) {
	w.t.Helper()
	record := w.record()
	last, leader := record.LastFailover, w.named(record.Holder)
	if last.Cause == election.CauseHandover {
		leader.measures(`handovers_total{outcome="taken"}`, 1)
		leader.measures(`takeover_seconds`, 0)
	} else {
		leader.measures(`failovers_total{cause="`+last.Cause+`"}`, 1)
		leader.measures(`elections_total{cause="`+last.Cause+`",outcome="won"}`, 1)
		leader.measuresThat("votes_total", "has grown", func(votes float64) bool { return votes >= 1 })
		for _, histogram := range []string{"takeover_lease_seconds", "takeover_open_seconds", "takeover_seconds"} {
			leader.measures(histogram, 1)
		}
		// One vote beside the winner's is enough. It may be that of the former leader, unless that was away.
		told, voters := "", 0
		for _, p := range w.pods {
			if p == leader || away && p == former {
				continue
			}
			lost, voted := p.metrics().total("elections_total"), p.metrics().total("votes_total")
			told += fmt.Sprintf("; %s took part in %v elections, with %v votes", p.name, lost, voted)
			if lost >= 1 && voted >= 1 {
				voters++
			}
		}
		if voters == 0 {
			w.t.Errorf("nobody has voted and lost%s", told)
		}
	}
	if !restarted && last.Cause != election.CauseDown && last.Cause != election.CauseReleased {
		// It was still running when it read of another one, or had heard nobody for so long that it stopped by itself.
		w.eventually("it was stopped once", func() bool { return former.metrics().total("fencing_stops_total") == 1 })
	}
	leader.measures(`role{role="leader"}`, 1)
	former.measures(`role{role="standby"}`, 1)
	for _, p := range w.pods {
		p.measures("term", float64(record.Term))
		p.measures("lease_timeline", float64(record.Timeline))
		p.measures("timeline", float64(record.Timeline))
	}
}

func TestMetricsTellOfTheQuorumAndOfWhoIsLost(t *testing.T) {
	w := synchronous(t, 3)
	leader, lost := w.named(w.record().Holder), w.pods[3]
	w.check(leader.superuser("ALTER ROLE app SET synchronous_commit = off"))
	leader.measures(`role{role="leader"}`, 1)
	leader.measures("term", 1)
	leader.measures("quorum_members", 3)
	leader.measures("quorum_required", 2)
	leader.measures("quorum_effective", 1)
	leader.measures(`synchronous_commit_overrides{database="",role="app",synchronous_commit="off"}`, 1)
	w.pods[2].measures("quorum_member", 1)
	w.pods[2].measures(`clones_total{outcome="done"}`, 1)
	for _, p := range w.pods {
		p.measuresThat("lease_renewal_age_seconds", "is that of a Lease that is renewed", func(age float64) bool { return age < 10 })
		p.measuresThat(`lease_call_seconds{verb="get"}`, "has grown", func(calls float64) bool { return calls > 0 })
	}
	if told := w.pods[2].metrics().total("synchronous_commit_overrides"); told != 0 {
		t.Errorf("a standby tells of %v overrides, which its leader does", told)
	}
	leader.measuresThat(`lease_writes_total{outcome="succeeded"}`, "has grown", func(writes float64) bool { return writes > 0 })
	leader.measuresThat(`write_probe_seconds{volume="data"}`, "has grown", func(probes float64) bool { return probes > 0 })
	leader.measures(`standby_streaming{standby="shop-3"}`, 1)
	leader.measuresThat(`standby_behind_seconds{standby="shop-3"}`, "is small", func(behind float64) bool { return behind < 3 })
	leader.measuresThat(`peer_silence_seconds{peer="shop-3"}`, "is small", func(silence float64) bool { return silence < 2 })

	lost.kill()
	leader.measuresThat(`standby_behind_seconds{standby="shop-3"}`, "grows", func(behind float64) bool { return behind > 5 })
	leader.measuresThat(`peer_silence_seconds{peer="shop-3"}`, "grows", func(silence float64) bool { return silence > 5 })
	leader.measures("quorum_members", 2)
	leader.measuresThat(`standby_behind_seconds{standby="shop-2"}`, "stays small", func(behind float64) bool { return behind < 3 })

	want := instanceapi.SynchronousCommitOverrides{Total: 1, Listed: []instanceapi.SynchronousCommitOverride{{Role: "app", Value: "off"}}}
	w.eventually("the leader's status lists who has lowered synchronous_commit", func() bool {
		listed := leader.status().SynchronousCommitOverrides
		return listed != nil && cmp.Equal(*listed, want)
	})
	if listed := w.pods[2].answers().SynchronousCommitOverrides; listed != nil {
		t.Errorf("a standby's status lists %+v, which its leader's does", *listed)
	}
}

func TestACommitThatDoesNotWaitForItsStandbysIsCounted(t *testing.T) {
	w := synchronous(t, 2, func(w *world) {
		w.asked = func(a *instanceapi.Availability) { a.Durability = instanceapi.DurabilityRequired }
	})
	leader := w.named(w.record().Holder)
	leader.measures(`commit_waits_cancelled_total{cause="user_request"}`, 0)
	w.pods[2].kill()
	for _, give := range []struct{ up, cause string }{
		{"pg_cancel_backend", "user_request"}, {"pg_terminate_backend", "termination"},
	} {
		conn, err := leader.connect()
		w.check(err)
		inserted := make(chan struct{})
		go func() {
			defer close(inserted)
			_, _ = conn.Exec(w.ctx, "INSERT INTO notes VALUES ('not acknowledged')") // it succeeds, or its session ends
			_ = conn.Close(context.WithoutCancel(w.ctx))
		}()
		w.eventually("the commit waits", func() bool {
			return leader.superuser("DO $$BEGIN IF NOT (SELECT bool_or("+give.up+"(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep') IS TRUE THEN RAISE 'none'; END IF; END$$") == nil
		})
		<-inserted
		leader.measures(`commit_waits_cancelled_total{cause="`+give.cause+`"}`, 1)
	}
	var counted *instanceapi.CancelledWaits
	w.eventually("the status counts them", func() bool {
		counted = leader.status().CancelledWaits
		return counted != nil && counted.Count == 2
	})

	// Nobody may have asked before the program is another one.
	w.check(leader.replace(env.program2, hashOf(t, env.program2)))
	w.eventually("the other version runs", func() bool { return leader.status().Manager.Hash == hashOf(t, env.program2) })
	if after := leader.answers().CancelledWaits; after == nil || after.Count != 2 || !after.Since.Equal(counted.Since) {
		t.Errorf("counted were %+v, and after an upgrade %+v", counted, after)
	}
}

func TestAWriteOfTheLeaseThatSomebodyElseForestalledIsCounted(t *testing.T) {
	w := cluster(t, 1)
	leases := env.api.kubernetes.CoordinationV1().Leases(w.namespace)
	stop := make(chan struct{})
	written := make(chan struct{})
	go func() {
		defer close(written)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			patch := []byte(`{"metadata":{"annotations":{"somebody-else":"` + string(rune('a'+n%26)) + `"}}}`)
			_, _ = leases.Patch(w.ctx, naming.Lease(clusterName), "application/merge-patch+json", patch, metav1.PatchOptions{}) // one that is refused is tried again
		}
	}()
	w.pods[1].measuresThat(`lease_writes_total{outcome="conflict"}`, "has grown", func(conflicts float64) bool { return conflicts > 0 })
	close(stop)
	<-written
	if record := w.record(); record.Term != 1 || record.Holder != "shop-1" {
		t.Errorf("the Lease says %+v", record)
	}
}

func TestAVolumeThatTakesNoWritesIsCounted(t *testing.T) {
	w := cluster(t, 1)
	p := w.pods[1]
	before := p.metrics()
	if failed, _ := before.of(`write_probe_failures_total{cause="error"}`); failed != 0 {
		t.Fatalf("%v probes have failed already", failed)
	}
	probe := filepath.Join(p.directory, "data", ".write-probe")
	w.eventually("the probe cannot be written", func() bool { return os.RemoveAll(probe) == nil && os.Mkdir(probe, 0o700) == nil })
	p.measuresThat(`write_probe_failures_total{cause="error"}`, "has grown", func(failed float64) bool { return failed > 0 })
}

// As of a file system that was mounted again to be read only, while the WAL is on another one: the server goes on, and whatever a client does fails.
func TestALeaderWhoseVolumeAnswersWithErrorsGivesWay(t *testing.T) {
	w := synchronous(t, 2, withWALVolume)
	former := w.named(w.record().Holder)
	takesWrites := former.refusesWrites()
	former.measures(`fencing_stops_total{rule="`+metrics.StalledWritePath+`"}`, 1)
	w.succeeds(former)
	takesWrites()
	former.becomes(instanceapi.StateStreaming)
	former.reads(notes, "first second")
}

// refusesWrites has writes of the probe come back with the error of a file system that is read only, until it takes them again.
func (p *pod) refusesWrites() (takesThem func()) {
	p.w.t.Helper()
	probe := filepath.Join(p.directory, "root/var/lib/timonier/data/.write-probe")
	there := func(script string) {
		p.w.check(shell(fmt.Sprintf("nsenter --target %d --mount sh -c '%s'", p.container.Process.Pid, script)))
	}
	there(fmt.Sprintf("touch %[1]s && mount --bind %[1]s %[1]s && mount -o remount,bind,ro %[1]s", probe))
	return func() { there("umount " + probe) }
}

func TestAVolumeThatStallsIsCountedAndSoIsTheStop(t *testing.T) {
	for _, volume := range []string{"data", "wal"} {
		t.Run(volume, func(t *testing.T) {
			w := synchronous(t, 2, withWALVolume)
			former := w.named(w.record().Holder)
			stalled := former.answers().Postgres.PID
			goesOn := former.stalls(volume)
			former.measuresThat("write_probe_waits_seconds", "grows", func(waits float64) bool { return waits > 2 })
			former.measures(`write_probe_failures_total{cause="stalled"}`, 1)
			former.measures(`fencing_stops_total{rule="`+metrics.StalledWritePath+`"}`, 1)
			w.succeeds(former)
			last := w.record().LastFailover
			// It is released once the server is gone, and by then the other one may have heard that it is.
			if last.Cause != election.CauseReleased && last.Cause != election.CauseDown {
				t.Errorf("the Lease tells of the failover: %+v", *last)
			}
			w.other(former).measures(`failovers_total{cause="`+last.Cause+`"}`, 1)
			if server := former.status().Postgres; server != nil && server.PID == stalled {
				t.Error("the server whose volume takes no writes still runs")
			}
			goesOn()
			former.becomes(instanceapi.StateStreaming)
			former.reads(notes, "first second")
		})
	}
}

// stalls keeps whoever probes a volume waiting, as one does that is gone, until it goes on.
func (p *pod) stalls(volume string) (goesOn func()) {
	p.w.t.Helper()
	return p.stallsAt(filepath.Join(volume, ".write-probe"))
}

// stallsAt keeps whoever writes this file waiting.
func (p *pod) stallsAt(file string) (goesOn func()) {
	p.w.t.Helper()
	probe := filepath.Join(p.directory, file)
	// Whoever opens a pipe to write waits in the kernel until somebody reads.
	p.w.eventually("the probe cannot come back", func() bool { return os.RemoveAll(probe) == nil && syscall.Mkfifo(probe, 0o666) == nil })
	p.w.check(os.Chown(probe, podUID, 10001))
	return func() {
		reader, err := os.OpenFile(probe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		p.w.check(err)
		p.w.check(errors.Join(os.Remove(probe), reader.Close()))
	}
}

// identityWritten is what the instance manager writes first when its identity changes.
const identityWritten = "data/identity.json.tmp"

// The loop itself waits: for a member that is lost it writes down first whom commits wait for from then on.
func TestALeaderWhoseOwnWritesComeToNoEndIsSucceededAllTheSame(t *testing.T) {
	w := synchronous(t, 3)
	former := w.named(w.record().Holder)
	var lost *pod
	for _, p := range w.pods {
		if p != former {
			lost = p
		}
	}
	probe, identity := former.stalls("data"), former.stallsAt(identityWritten)
	lost.kill()
	lost.run() // without its vote nobody could be elected
	former.measures(`fencing_stops_total{rule="`+metrics.StalledWritePath+`"}`, 1)
	w.succeeds(former)
	identity()
	probe()
	former.becomes(instanceapi.StateStreaming)
	for _, p := range w.pods {
		p.reads(notes, "first second")
	}
}

func TestAReplacedLeaderWhoseVolumeTakesNoWritesStopsAtOnce(t *testing.T) {
	w := synchronous(t, 3)
	former := w.named(w.record().Holder)
	server := fmt.Sprint(former.answers().Postgres.PID)
	w.check(former.signalAll("STOP"))
	w.succeeds(former)
	identity := former.stallsAt(identityWritten)
	w.check(former.signalAll("CONT"))
	w.eventually("its server has gone, while what it read of the Lease is not written down", func() bool { return former.inside("kill", "-0", server) != nil })
	identity()
	former.becomes(instanceapi.StateStreaming)
	former.reads(notes, "first second")
}

// A server that stops says nothing to its manager any more, and its walsenders go on talking to the standbys for as long as the stop takes.
func TestAVolumeThatStallsWhileItsServerStopsIsNoticed(t *testing.T) {
	w := synchronous(t, 2)
	former := w.named(w.record().Holder)
	heir := w.other(former)
	receiver := func(signal string) {
		w.check(heir.inside("sh", "-c", `for p in /proc/[0-9]*; do if grep -q 'wal[r]eceiver' "$p/cmdline"; then kill -`+signal+` "${p#/proc/}"; fi; done`))
	}
	server := fmt.Sprint(former.answers().Postgres.PID)
	receiver("STOP") // the stop has to wait for it
	_, err := former.client.Switchover(w.ctx, instanceapi.SwitchoverRequest{To: heir.name})
	w.check(err)
	former.logs("stopping postgres to hand over")
	w.check(former.inside("kill", "-STOP", server)) // as if it waited for its volume: it comes to no end, however it is asked to
	receiver("CONT")
	probe := filepath.Join(former.directory, "data", ".write-probe")
	began := time.Now()
	w.eventually("the probe cannot come back", func() bool { return os.RemoveAll(probe) == nil && syscall.Mkfifo(probe, 0o666) == nil })
	w.check(os.Chown(probe, podUID, 10001))
	w.eventually("the successor leads", func() bool { return w.record().Holder == heir.name })
	if took := time.Since(began); took > 45*time.Second {
		t.Errorf("it took %s: by then any stop is made a harder one", took)
	}
	former.measures(`fencing_stops_total{rule="`+metrics.StalledWritePath+`"}`, 1)
}

func TestSeriesOfStandbysAreNamedByInstancesInEveryTerm(t *testing.T) {
	w := synchronous(t, 2)
	former := w.named(w.record().Holder)
	leader := w.other(former)
	_, err := former.client.Switchover(w.ctx, instanceapi.SwitchoverRequest{To: leader.name})
	w.check(err)
	leader.measures(`role{role="leader"}`, 1)
	leader.measures("term", 2)
	leader.measures(`standby_streaming{standby="`+former.name+`"}`, 1)
	for series := range leader.metrics() {
		_, standby, told := strings.Cut(series, `{standby="`)
		if told && standby != former.name+`"}` {
			t.Errorf("there is %s, of nobody but %s", series, former.name)
		}
	}
}

// other than these.
func (w *world) other(these ...*pod) *pod {
	for _, p := range w.pods {
		if !slices.Contains(these, p) {
			return p
		}
	}
	return nil
}
