package instance

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/logs"
	"github.com/timonier-io/timonier/internal/instance/metrics"
	"github.com/timonier-io/timonier/internal/instance/server"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instance/volumes"
	"github.com/timonier-io/timonier/internal/kubeapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

// measuring is a manager of shop-1, with nothing but what measures.
func measuring(t *testing.T) *Manager {
	t.Helper()
	m := &Manager{options: Options{Instance: "shop-1"}, measures: metrics.NewAvailability(), held: map[string]string{}, log: slog.New(slog.DiscardHandler), startedAt: time.Now()}
	m.contents.Identity.Incarnation = "a1"
	m.writes = volumes.NewWriteProbe(volumes.Layout{}, m.measureWrite)
	m.seenState.Store(&metrics.State{})
	return m
}

// told is what the metrics tell, without what is 0.
func told(t *testing.T, m *Manager) string {
	t.Helper()
	answer := httptest.NewRecorder()
	metrics.New(metrics.Options{
		Availability: m.measures, State: func() metrics.State { return *m.seenState.Load() },
		Connect: func(context.Context) (*pgx.Conn, error) { return nil, errors.New("there is no server") },
	}).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	var lines []string
	for line := range strings.Lines(answer.Body.String()) {
		name, told := strings.CutPrefix(strings.TrimSpace(line), "timonier_postgres_")
		if counted := strings.Contains(name, "_total") || strings.Contains(name, "_seconds_count"); told && counted && !strings.HasSuffix(name, " 0") {
			lines = append(lines, name)
		}
	}
	return strings.Join(lines, "\n")
}

// led is a Lease of a term and revision, held by this instance where holder is shop-1.
func led(holder string, term, revision int64) election.Record {
	record := election.Record{Holder: holder, Term: term, Revision: revision}
	if holder == "shop-1" {
		record.HolderIncarnation = "a1"
	}
	return record
}

func TestAnElectionIsCountedByHowItEnds(t *testing.T) {
	for _, end := range []struct {
		how    string
		record election.Record
		want   string
	}{
		{"the leader renews", led("shop-2", 4, 8), `elections_total{cause="LeaderSilent",outcome="void"} 1`},
		{"another one wins", led("shop-3", 5, 8), `elections_total{cause="LeaderSilent",outcome="lost"} 1`},
		{"it wins", led("shop-1", 5, 8), `elections_total{cause="LeaderSilent",outcome="won"} 1` + "\n" + `takeover_lease_seconds_count 1`},
		{"the same is read again", led("shop-2", 4, 7), ""},
		{"the Lease is released", led("", 4, 8), ""},
	} {
		t.Run(end.how, func(t *testing.T) {
			m := measuring(t)
			m.lease.record = led("shop-2", 4, 7)
			m.doubt.cause, m.doubt.since = election.CauseSilent, time.Now().Add(-time.Second)
			m.takesPart()
			m.measureLease(end.record)
			m.measureLease(end.record) // what is read twice happened once
			if got := told(t, m); got != end.want {
				t.Errorf("told is\n%s\nwant\n%s", got, end.want)
			}
		})
	}
}

func TestATakeoverIsCountedOnceItIsOver(t *testing.T) {
	m := measuring(t)
	m.lease.record = led("shop-2", 4, 7)
	m.doubt.cause, m.doubt.since = election.CauseDown, time.Now().Add(-time.Second)
	m.takesPart()
	taken := led("shop-1", 5, 8)
	taken.LastFailover = &election.Failover{From: "shop-2", To: "shop-1", Cause: election.CauseReleased}
	m.stands(taken)
	m.measureLease(taken)
	if got := told(t, m); strings.Contains(got, "failovers_total") {
		t.Errorf("before anybody was let in: %s", got)
	}
	m.leading.openedAt = time.Now()
	m.measureOpening()
	m.measureOpening() // a later start in place
	want := `elections_total{cause="Released",outcome="won"} 1
failovers_total{cause="Released"} 1
takeover_lease_seconds_count 1
takeover_open_seconds_count 1
takeover_seconds_count 1`
	if got := told(t, m); got != want {
		t.Errorf("told is\n%s\nwant\n%s", got, want)
	}
}

func TestAHandoverIsCountedByHowItEnds(t *testing.T) {
	passed, taken, open := led("", 4, 8), led("shop-2", 5, 9), led("shop-2", 5, 10)
	passed.Handover = "shop-2"
	taken.LastFailover = &election.Failover{From: "shop-1", To: "shop-2", Cause: election.CauseHandover}
	open.LastFailover = &election.Failover{From: "shop-1", To: "shop-2", Cause: election.CauseHandover, OpenedAt: time.Now()}
	deposed := led("shop-3", 5, 8)
	deposed.LastFailover = &election.Failover{From: "shop-1", To: "shop-3", Cause: election.CauseSilent}
	for _, story := range []struct {
		how     string
		records []election.Record
		want    string
	}{
		{"passed", []election.Record{passed}, "handovers_total{outcome=\"passed\"} 1\nhandover_release_seconds_count 1"},
		{"taken", []election.Record{passed, taken, open, open}, "handovers_total{outcome=\"passed\"} 1\nhandover_release_seconds_count 1\nhandover_seconds_count 1"},
		{"the passing was not read", []election.Record{open}, "handovers_total{outcome=\"passed\"} 1\nhandover_release_seconds_count 1\nhandover_seconds_count 1"},
		{"deposed in the middle", []election.Record{deposed, open}, "handovers_total{outcome=\"given_up\"} 1"},
		{"passed, and another one came", []election.Record{passed, deposed, open}, "handovers_total{outcome=\"passed\"} 1\nhandover_release_seconds_count 1"},
	} {
		t.Run(story.how, func(t *testing.T) {
			m := measuring(t)
			m.handing = &handingOver{to: "shop-2", askedAt: time.Now()}
			for _, record := range story.records {
				m.measureLease(record)
				m.handing = nil // as leaderChanged does
			}
			if got := told(t, m); got != story.want {
				t.Errorf("told is\n%s\nwant\n%s", got, story.want)
			}
		})
	}
}

func TestASuccessorCountsNoElection(t *testing.T) {
	m := measuring(t)
	m.lease.record = led("", 4, 8)
	m.lease.record.Handover = "shop-1"
	taken := led("shop-1", 5, 9)
	taken.LastFailover = &election.Failover{From: "shop-2", To: "shop-1", Cause: election.CauseHandover}
	m.stands(taken)
	m.measureLease(taken)
	m.measureOpening()
	if got, want := told(t, m), `handovers_total{outcome="taken"} 1`; got != want {
		t.Errorf("told is\n%s\nwant\n%s", got, want)
	}
}

func TestAWriteOfTheLeaseIsCountedByItsAnswer(t *testing.T) {
	m := measuring(t)
	record := led("shop-1", 4, 8)
	for _, err := range []error{&kubeapi.StatusError{Code: http.StatusConflict}, &kubeapi.StatusError{Code: http.StatusForbidden}, errors.New("no answer")} {
		m.tookWrite(&leaseCall{record: &record}, leaseAnswer{err: err})
	}
	if got, want := told(t, m), "lease_writes_total{outcome=\"conflict\"} 1\nlease_writes_total{outcome=\"failed\"} 2"; got != want {
		t.Errorf("told is\n%s\nwant\n%s", got, want)
	}
}

func TestJobsProbesAndCancelledCommitsAreCounted(t *testing.T) {
	m := measuring(t)
	m.countJob(cloneJob, nil)
	m.countJob(rewindJob, errors.New("broken"))
	m.countJob("initialise", nil)
	m.measureWrite("data", time.Millisecond, nil)
	m.measureWrite("wal", time.Millisecond, errors.New("no space"))
	m.countCancelled(logs.Entry{Severity: "WARNING", Message: "canceling wait for synchronous replication due to user request"})
	m.countCancelled(logs.Entry{Severity: "LOG", Message: "canceling wait for synchronous replication due to user request"})
	want := `rewinds_total{outcome="failed"} 1
clones_total{outcome="done"} 1
commit_waits_cancelled_total{cause="user_request"} 1
write_probe_failures_total{cause="error"} 1
write_probe_seconds_count{volume="data"} 1
write_probe_seconds_count{volume="wal"} 1`
	if got := told(t, m); got != want {
		t.Errorf("told is\n%s\nwant\n%s", got, want)
	}
}

func TestTheRoleIsThatOfTheMoment(t *testing.T) {
	m := measuring(t)
	record := led("shop-2", 4, 7)
	if got := m.role(record); got != metrics.RoleNone {
		t.Errorf("without a server it is %s", got)
	}
	m.process.postmaster, m.process.attached, m.process.observation = &supervisor.Postmaster{}, true, &server.Observation{}
	if got := m.role(record); got != metrics.RoleStandby {
		t.Errorf("following it is %s", got)
	}
	m.contents.Identity.Promise = 7
	if got := m.role(record); got != metrics.RoleVoter {
		t.Errorf("having voted it is %s", got)
	}
	if got := m.role(led("shop-2", 4, 8)); got != metrics.RoleStandby {
		t.Errorf("having read a newer revision it is %s", got)
	}
	m.process.primary, m.leading.record = true, &record
	if got := m.role(led("shop-1", 5, 8)); got != metrics.RoleLeader {
		t.Errorf("leading it is %s", got)
	}
}

func TestAStandbyIsAsCurrentAsItsLastReply(t *testing.T) {
	var r reach
	start := time.Unix(1000, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	replica := func(incarnation string, flushed postgres.LSN, replied int) server.Replica {
		return server.Replica{Instance: "shop-2", Incarnation: incarnation, Term: 1, State: "streaming", Flushed: flushed, RepliedAt: at(replied)}
	}
	r.note(at(0), 100, 1, []server.Replica{replica("a2", 100, 0)})
	r.note(at(1), 200, 1, []server.Replica{replica("a2", 100, 1)})
	if got := r.currentAt()["shop-2"]; !got.Equal(at(0)) {
		t.Errorf("it lacks what came at 1 s, and is current at %s", got.Sub(start))
	}
	r.note(at(2), 200, 1, nil)
	r.note(at(3), 200, 1, []server.Replica{replica("b2", 200, 3)})
	if got := r.currentAt()["shop-2"]; !got.Equal(at(3)) {
		t.Errorf("it was cloned again, and is current at %s", got.Sub(start))
	}
	r.note(at(9), 200, 1, []server.Replica{replica("b2", 200, 3)})
	if got := r.currentAt()["shop-2"]; !got.Equal(at(3)) {
		t.Errorf("it lacks nothing, but has not replied since 3 s, and is current at %s", got.Sub(start))
	}
}
