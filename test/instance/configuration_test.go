//go:build integration

package instance

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

// refused sends a configuration that must be refused, and returns the message.
func (p *pod) refused() string {
	p.w.t.Helper()
	_, err := p.client.Configure(p.w.ctx, p.w.configuration())
	refusal, ok := instanceapi.Refused(err)
	if !ok || refusal.Code != http.StatusUnprocessableEntity {
		p.w.t.Fatalf("%s answered %v; want a refusal of the content", p.name, err)
	}
	if rejected := p.status().Rejected; rejected == nil || rejected.Revision != p.w.configuration().Revision {
		p.w.eventually("the status tells of the rejection", func() bool { return p.status().Rejected != nil })
	}
	return refusal.Answer.Message
}

func TestAReloadIsInForceWhenItIsAnswered(t *testing.T) {
	w := cluster(t, 1)
	w.parameters = map[string]string{"work_mem": "7MB"}
	status, err := w.pods[1].client.Configure(w.ctx, w.configuration())
	w.check(err)
	if got := w.pods[1].must("SHOW work_mem"); got != "7MB" {
		t.Errorf("work_mem is %s", got)
	}
	if status.ConfigurationRevision != w.configuration().Revision || len(status.Postgres.PendingRestart) > 0 {
		t.Errorf("the status says %q, pending %v", status.ConfigurationRevision, status.Postgres.PendingRestart)
	}
}

func TestWhatPostgreSQLRefusesLeavesTheFormerValuesInForce(t *testing.T) {
	w := cluster(t, 1)
	w.parameters = map[string]string{"work_mem": "5MB"}
	w.pods[1].configure()
	for _, bad := range []struct {
		what       string
		parameters map[string]string
		hba        []string
		named      []string
	}{
		{"an unknown name", map[string]string{"no_such_parameter": "1"}, nil, []string{"no_such_parameter"}},
		{"a value of the wrong kind", map[string]string{"work_mem": "much"}, nil, []string{"work_mem", "much"}},
		{"an hba line that cannot be read", nil, []string{"hostssl all all 10.0.0.0/99 scram-sha-256"}, []string{"pg_hba.conf", "10.0.0.0/99"}},
	} {
		t.Run(bad.what, func(t *testing.T) {
			w.parameters, w.hba = bad.parameters, bad.hba
			message := w.pods[1].refused()
			for _, part := range append(bad.named, "former values are in force") {
				if !strings.Contains(message, part) {
					t.Errorf("the message does not tell of %q: %s", part, message)
				}
			}
			if got := w.pods[1].must("SHOW work_mem"); got != "5MB" {
				t.Errorf("work_mem is %s", got)
			}
		})
	}
	w.parameters, w.hba = map[string]string{"work_mem": "6MB"}, nil
	w.pods[1].configure()
	if rejected := w.pods[1].answers().Rejected; rejected != nil {
		t.Errorf("an accepted configuration leaves %+v", rejected)
	}
}

func TestAParameterThatNeedsARestartTakesEffectWithOne(t *testing.T) {
	w := cluster(t, 1)
	w.parameters = map[string]string{"max_connections": "150"}
	status, err := w.pods[1].client.Configure(w.ctx, w.configuration())
	w.check(err)
	if !slices.Contains(status.Postgres.PendingRestart, "max_connections") {
		t.Errorf("pending: %v; want max_connections", status.Postgres.PendingRestart)
	}
	status, err = w.pods[1].client.Restart(w.ctx, instanceapi.RestartRequest{Revision: w.configuration().Revision})
	w.check(err)
	if status.State != instanceapi.StateRestarting {
		t.Errorf("the state is %s", status.State)
	}
	w.pods[1].becomes(instanceapi.StateRunning)
	if got := w.pods[1].must("SHOW max_connections"); got != "150" {
		t.Errorf("max_connections is %s", got)
	}
	if pending := w.pods[1].answers().Postgres.PendingRestart; len(pending) > 0 {
		t.Errorf("still pending: %v", pending)
	}
}

func TestAConfigurationWithWhichPostgreSQLDoesNotComeUpIsGivenBack(t *testing.T) {
	w := cluster(t, 1)
	good := w.configuration().Revision
	w.parameters = map[string]string{"shared_preload_libraries": "no_such_library"}
	w.pods[1].configure()
	bad := w.configuration().Revision
	_, err := w.pods[1].client.Restart(w.ctx, instanceapi.RestartRequest{Revision: bad})
	w.check(err)
	w.eventually("it serves again, with the former values", func() bool {
		status := w.pods[1].status()
		return status.State == instanceapi.StateRunning && status.ConfigurationRevision == good
	})
	rejected := w.pods[1].answers().Rejected
	if rejected == nil || rejected.Revision != bad || !strings.Contains(rejected.Message, "no_such_library") {
		t.Errorf("rejected: %+v", rejected)
	}
	w.pods[1].must("INSERT INTO notes VALUES ('second')")
	w.pods[1].kill()
	w.pods[1].run()
	w.pods[1].becomes(instanceapi.StateRunning)
	if rejected := w.pods[1].answers().Rejected; rejected == nil || rejected.Revision != bad {
		t.Errorf("a new container knows nothing of the rejection: %+v", rejected)
	}
}

func TestAStandbyNeverRunsWithLessThanItsPrimary(t *testing.T) {
	w := cluster(t, 2)
	w.parameters = map[string]string{"max_connections": "150"}
	for n := 2; n >= 1; n-- { // raised: standbys first
		w.pods[n].configure()
		w.pods[n].restart()
	}
	w.pods[1].must("INSERT INTO notes VALUES ('raised')")
	w.pods[2].reads(notes, "first raised") // and so it has replayed before what its primary runs with
	w.parameters = map[string]string{"max_connections": "60"}
	w.pods[2].configure()
	w.pods[2].restart() // too early: the primary still runs with more
	if got := w.pods[2].must("SHOW max_connections"); got != "150" {
		t.Errorf("the standby has max_connections = %s while its primary has 150", got)
	}
	w.pods[1].configure()
	w.pods[1].restart()
	w.eventually("the standby has a restart pending once it replayed the change", func() bool {
		status := w.pods[2].status()
		return status.Postgres != nil && slices.Contains(status.Postgres.PendingRestart, "max_connections")
	})
	w.pods[2].restart()
	w.pods[2].reads("SHOW max_connections", "60")
}

func TestAStandbyWhosePrimaryWasRaisedFirstRestartsByItselfToReplayOn(t *testing.T) {
	w := cluster(t, 2)
	w.parameters = map[string]string{"max_connections": "150"}
	w.pods[1].configure()
	w.pods[1].restart()
	w.pods[1].must("INSERT INTO notes VALUES ('raised')")
	w.pods[2].reads(notes, "first raised")
	if got := w.pods[2].must("SHOW max_connections"); got != "150" {
		t.Errorf("the standby has max_connections = %s", got)
	}
	w.pods[2].becomes(instanceapi.StateStreaming)
}

// restart asks for a restart and waits until the instance serves again.
func (p *pod) restart() {
	p.w.t.Helper()
	before, serving := p.answers(), p.serving()
	_, err := p.client.Restart(p.w.ctx, instanceapi.RestartRequest{Revision: p.w.configuration().Revision})
	p.w.check(err)
	p.w.eventually(p.name+" serves again", func() bool {
		status := p.status()
		return status.Ready && status.State == serving && status.Postgres.StartedAt.After(before.Postgres.StartedAt)
	})
}

func TestAPostmasterThatDiesIsStartedAgain(t *testing.T) {
	w := cluster(t, 1)
	w.pods[1].yields()
	before := w.pods[1].answers().Postgres
	w.check(w.pods[1].inside("kill", "-KILL", fmt.Sprint(before.PID)))
	w.eventually("another postmaster serves", func() bool {
		status := w.pods[1].status()
		return status.State == instanceapi.StateRunning && status.Ready && status.Postgres.PID != before.PID
	})
	w.pods[1].must("INSERT INTO notes VALUES ('second')")
	w.pods[1].yields()
}

// yields holds that the server, a session of it, and all its other processes leave the CPU to the instance manager where both want it.
func (p *pod) yields() {
	p.w.t.Helper()
	session, err := p.connect()
	p.w.check(err)
	defer session.Close(p.w.ctx)
	manager, postmaster := p.container.Process.Pid, p.hostPID(p.answers().Postgres.PID)
	server := append(children(p.w.t, postmaster), postmaster)
	if backend := p.hostPID(int(session.PgConn().PID())); !slices.Contains(server, backend) {
		p.w.t.Fatalf("session %d is not among the server's processes %v", backend, server)
	}
	managers, _ := niceness(manager)
	for _, pid := range server {
		if nice, lives := niceness(pid); lives && nice <= managers {
			p.w.t.Errorf("process %d of the server has a niceness of %d, the instance manager one of %d", pid, nice, managers)
		}
	}
}

func TestProbesSayWhatIsTrue(t *testing.T) {
	w := newWorld(t, 1)
	w.createLease(false)
	p := w.start(1)
	probe := w.pods[1].probe
	w.eventually("it lives although it waits", func() bool { return probe("/livez") == http.StatusOK })
	if code := probe("/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("/readyz says %d while it waits", code)
	}
	if code := probe("/v1/status"); code != http.StatusNotFound {
		t.Errorf("the plain port answers /v1/status with %d", code)
	}
	p.configure()
	p.waitsFor(instanceapi.WaitVolumes)
	w.deleteLease()
	w.createLease(true)
	p.becomes(instanceapi.StateRunning)
	w.eventually("it is ready", func() bool { return probe("/readyz") == http.StatusOK })
}

func TestClientsTakingEveryConnectionDoNotBlindTheManager(t *testing.T) {
	w := newWorld(t, 1)
	w.parameters = map[string]string{"max_connections": "20"}
	w.createLease(true)
	p := w.start(1)
	p.configure()
	p.becomes(instanceapi.StateRunning)
	p.grant()
	for range 25 {
		conn, err := p.connect()
		if err != nil {
			break
		}
		defer conn.Close(context.WithoutCancel(w.ctx))
	}
	if _, err := p.connect(); err == nil {
		t.Fatal("there are connections left; the test does not test anything")
	}
	revision := w.record().Revision
	w.eventually("it renews the Lease, more than once", func() bool { return w.record().Revision >= revision+2 })
	if status := p.answers(); !status.Ready || !status.Leader {
		t.Errorf("with all connections taken it says %+v", status)
	}
}
