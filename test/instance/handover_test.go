//go:build integration

package instance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// A fast stop waits for the archiver, and with it would all clients. With version 15, which lets a superuser set the command.
func TestAnArchiverThatHangsKeepsNoHandoverWaiting(t *testing.T) {
	w := synchronous(t, 2, ofMajor("15"))
	w.leader().must("CREATE TABLE numbers (leader text, n int)")
	for _, handover := range []struct {
		how     string
		ask     func(*pod)
		returns func(*pod)
	}{
		{"by a switchover", func(p *pod) {
			w.eventually("it hands over", func() bool {
				_, err := p.client.Switchover(w.ctx, instanceapi.SwitchoverRequest{})
				return err == nil
			})
		}, func(*pod) {}},
		{"since it is to end", (*pod).terminate, func(p *pod) { p.run() }},
	} {
		former := w.leader()
		heir := w.other(former)
		former.archivesForEver()
		acknowledged := former.writesOn()
		began := time.Now()
		handover.ask(former)
		w.eventually(handover.how+" another one leads", func() bool { return w.record().Holder == heir.name })
		heir.becomes(instanceapi.StateRunning)
		t.Logf("%s: another one leads after %d ms", handover.how, time.Since(began).Milliseconds())
		if last := w.record().LastFailover; last.Cause != election.CauseHandover || last.From != former.name {
			t.Errorf("%s: the Lease tells of the failover: %+v", handover.how, *last)
		}
		rows := strconv.Itoa(acknowledged())
		if kept := heir.must("SELECT count(*) FROM numbers WHERE leader = '" + former.name + "' AND n <= " + rows); kept != rows {
			t.Errorf("%s: %s rows were acknowledged, and %s are there", handover.how, rows, kept)
		}
		handover.returns(former)
		former.becomes(instanceapi.StateStreaming)
		if log, err := os.ReadFile(former.logFile()); err != nil || strings.Contains(string(log), "rewinding") {
			t.Errorf("%s: the former leader was rewound, although it handed over: %v", handover.how, err)
		}
		w.eventually("commits wait for it again", func() bool { return w.record().Quorum.Required == 2 })
	}
}

// The API server does not know the token of a pod that was deleted by force, while its processes go on until the kubelet has seen that.
func TestALeaderWhoseWordTheAPIDoesNotTakeKeepsNobodyWaitingForItsHandover(t *testing.T) {
	w := synchronous(t, 3)
	former := w.named(w.record().Holder)
	former.losesItsToken()
	began := time.Now()
	w.check(former.container.Process.Signal(syscall.SIGTERM))
	w.succeeds(former)
	t.Logf("writes are back after %d ms", time.Since(began).Milliseconds())
	former.logs("the Kubernetes API does not take this instance's word any more")
	if log, err := os.ReadFile(former.logFile()); err != nil || strings.Contains(string(log), "does not confirm") {
		t.Errorf("it waited for a handover that could not end: %v", err)
	}
	for _, p := range w.pods {
		if p != former {
			p.reads(notes, "first second")
		}
	}
}

// losesItsToken has the API server refuse all that the pod asks of it.
func (p *pod) losesItsToken() {
	p.w.t.Helper()
	account := filepath.Join(p.directory, "account")
	p.w.check(shell(strings.NewReplacer("ACCOUNT", account, "WORLD", p.w.directory).Replace("cp -r WORLD/account ACCOUNT && echo unknown > ACCOUNT/token")))
	p.w.check(shell(fmt.Sprintf("nsenter --target %d --mount mount --bind %s %s", p.container.Process.Pid, account,
		filepath.Join(p.directory, "root/var/run/secrets/kubernetes.io/serviceaccount"))))
}

// archivesForEver has the archiver begin with a file, and not come back from it.
func (p *pod) archivesForEver() {
	p.w.t.Helper()
	p.w.check(p.superuser("ALTER SYSTEM SET archive_command = 'sleep 3600'", "SELECT pg_reload_conf()"))
	p.w.eventually("the archiver hangs", func() bool {
		p.w.check(p.superuser("SELECT pg_switch_wal()"))
		return p.inside("sh", "-c", `grep -q 'sl[e]ep' /proc/[0-9]*/cmdline`) == nil
	})
}

// writesOn writes rows one after the other until one fails, and then tells how many were acknowledged: one to as many as there are.
func (p *pod) writesOn() (acknowledged func() int) {
	p.w.t.Helper()
	conn, err := p.connect()
	p.w.check(err)
	insert := func(n int) error {
		_, err := conn.Exec(p.w.ctx, "INSERT INTO numbers VALUES ($1, $2)", p.name, n)
		return err
	}
	p.w.check(insert(1))
	rows := make(chan int, 1)
	go func() {
		defer conn.Close(context.WithoutCancel(p.w.ctx))
		n := 1
		for insert(n+1) == nil {
			n++
		}
		rows <- n
	}()
	return func() int { return <-rows }
}
