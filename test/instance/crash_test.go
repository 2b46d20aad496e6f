//go:build integration

package instance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

func TestACrashAtAnyStepOfBootstrapLeavesOneSystemThatServes(t *testing.T) {
	for _, volumes := range []struct {
		name string
		wal  bool
	}{{"one volume", false}, {"with a WAL volume", true}} {
		for _, step := range []string{
			"initialise: begin", "initialise: cleared", "initialise: initdb done", "initialise: mark exchanged",
			"place: identity written", "place: renamed",
		} {
			t.Run(volumes.name+", "+step, func(t *testing.T) {
				w := newWorld(t, 1)
				w.wal = volumes.wal
				w.createLease(true)
				p := w.start(1, "TIMONIER_TEST_CRASH_AT="+step)
				p.ends()
				before := w.record()
				p.run()
				p.configure()
				p.becomes(instanceapi.StateRunning)
				after := w.record()
				if before.HasSystem() && after.System != before.System {
					t.Errorf("the Lease named system %s, and names %s", before.System, after.System)
				}
				if holds := p.answers().Volume.SystemIdentifier; after.System != holds {
					t.Errorf("the Lease names %s, the volume holds %s", after.System, holds)
				}
				if (step == "initialise: mark exchanged" || step[:5] == "place") != before.HasSystem() {
					t.Errorf("at this step the Lease named system %q", before.System)
				}
			})
		}
	}
}

func TestACrashAtAnyStepOfCloningIsGotOver(t *testing.T) {
	for _, step := range []string{"clone: begin", "clone: cleared", "clone: copied", "clone: complete", "place: renamed"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t, 2)
			w.wal = true
			w.createLease(true)
			w.start(1).configure()
			w.pods[1].becomes(instanceapi.StateRunning)
			p := w.start(2, "TIMONIER_TEST_CRASH_AT="+step)
			p.ends()
			p.run()
			p.configure()
			p.becomes(instanceapi.StateStreaming)
			if got := p.answers().Volume.SystemIdentifier; got != w.record().System {
				t.Errorf("its system is %s", got)
			}
		})
	}
}

// withMuchToClone is a cluster of which only the first runs yet, with a hundred thousand rows: a clone takes its time.
func withMuchToClone(t *testing.T, instances int) *world {
	t.Helper()
	w := newWorld(t, instances)
	w.createLease(true)
	w.start(1).configure()
	w.pods[1].becomes(instanceapi.StateRunning)
	w.pods[1].grant()
	w.pods[1].must("CREATE TABLE notes AS SELECT repeat(md5(n::text), 30) AS text FROM generate_series(1, 100000) n")
	return w
}

func TestAClonePulledDownInTheMiddleIsTakenAgain(t *testing.T) {
	w := withMuchToClone(t, 2)
	p := w.start(2)
	p.becomes(instanceapi.StateCloning)
	time.Sleep(500 * time.Millisecond) // somewhere in the copy
	p.kill()
	p.run()
	p.configure()
	p.becomes(instanceapi.StateStreaming)
	p.reads("SELECT count(*) FROM notes", "100000")
}

func TestACloneWaitsForNoOtherClone(t *testing.T) {
	w := withMuchToClone(t, 3)
	held := w.start(2)
	held.becomes(instanceapi.StateCloning)
	w.check(held.container.Process.Signal(syscall.SIGSTOP))
	w.start(3).configure()
	w.pods[3].becomes(instanceapi.StateStreaming)
	w.pods[3].reads("SELECT count(*) FROM notes", "100000")
	w.check(held.container.Process.Signal(syscall.SIGCONT))
	held.configure()
	held.becomes(instanceapi.StateStreaming)
}

// What keeps a clone from being made does not pass by itself: what is in its place is not this user's to remove.
func TestACloneThatKeepsFailingTellsAPersonAndIsMadeOnceItCanBe(t *testing.T) {
	w := newWorld(t, 2)
	w.createLease(true)
	w.start(1).configure()
	w.pods[1].becomes(instanceapi.StateRunning)
	left := filepath.Join(w.directory, naming.Instance(clusterName, 2), "data", "pgdata.new", "left")
	w.check(os.MkdirAll(left, 0o755))
	p := w.start(2)
	p.configure()
	status := p.waitsFor(instanceapi.WaitFollow)
	if !strings.Contains(status.Message, "attempts failed, it is tried each") || !strings.Contains(status.Message, "removing an unfinished data directory") {
		t.Errorf("it says %q", status.Message)
	}
	log, err := os.ReadFile(p.logFile())
	w.check(err)
	if told := strings.Count(string(log), `"rule":"empty_volume_is_cloned_into"`); told != 1 {
		t.Errorf("that it is to be cloned is logged %d times", told)
	}
	w.check(os.RemoveAll(filepath.Dir(left)))
	p.becomes(instanceapi.StateStreaming)
}

func TestAnInterruptedPromotionIsMadeUpFor(t *testing.T) {
	w := cluster(t, 1)
	w.recreated((*pod).terminate)
	w.pods[1].run("TIMONIER_TEST_CRASH_AT=promote: begin")
	w.pods[1].ends()
	interrupted := w.record()
	w.pods[1].run()
	w.pods[1].becomes(instanceapi.StateRunning)
	w.pods[1].reads(notes, "first")
	if timeline := w.pods[1].answers().Postgres.Timeline; timeline != w.record().Timeline || timeline < interrupted.Timeline {
		t.Errorf("it writes timeline %d, the Lease says %d, and said %d", timeline, w.record().Timeline, interrupted.Timeline)
	}
}

// A Lease that its leader wrote again twice names timeline 3, and the promotion that it owes keeps 2 free. Interrupted there, it leaves a placeholder that no
// history follows; over that PostgreSQL would look for timeline 2 for ever.
func TestAPlaceholderThatNoHistoryFollowsKeepsNoServerFromStarting(t *testing.T) {
	w := cluster(t, 1)
	p := w.pods[1]
	for range 2 {
		w.deleteLease()
		w.createLease(false)
		w.eventually("the leader has written its record again", func() bool { return w.record().Holder == p.name })
	}
	p.kill()
	p.run("TIMONIER_TEST_CRASH_AT=promote: begin")
	p.ends()
	histories := func() string {
		files, err := filepath.Glob(filepath.Join(p.directory, "data", "pgdata", "pg_wal", "*.history"))
		w.check(err)
		names := ""
		for _, file := range files {
			content, err := os.ReadFile(file)
			w.check(err)
			names += fmt.Sprintf("%s %t ", filepath.Base(file), strings.HasPrefix(string(content), "# timonier"))
		}
		return names
	}
	if got := histories(); got != "00000002.history true " {
		t.Fatalf("the promotion that was interrupted left %q; want a placeholder for timeline 2", got)
	}
	for _, end := range []func(){func() {}, p.kill, p.terminate} {
		end()
		p.run()
		p.becomes(instanceapi.StateRunning)
		p.reads(notes, "first")
		if timeline := p.answers().Postgres.Timeline; timeline != 3 || w.record().Timeline != 3 {
			t.Errorf("it writes timeline %d, the Lease says %d", timeline, w.record().Timeline)
		}
		if got := histories(); got != "00000002.history true 00000003.history false " {
			t.Errorf("there is %q; want a placeholder that a history follows", got)
		}
	}
}

// ends waits until the container ended by itself.
func (p *pod) ends() {
	p.w.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(60 * time.Second):
		p.w.t.Fatalf("%s did not reach the step at which it was to crash", p.name)
	}
}
