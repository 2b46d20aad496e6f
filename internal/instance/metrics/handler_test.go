//go:build integration

package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	dto "github.com/prometheus/client_model/go"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

// scene is a server with metrics, and a clock that the test moves.
type scene struct {
	*pgtest.Server
	t       *testing.T
	handler *Handler
	now     time.Time
	errors  []error
}

func newScene(t *testing.T, programs pgtest.Programs, settings map[string]string) *scene {
	t.Helper()
	server := pgtest.Run(t, programs, pgtest.Options{Settings: settings})
	pgtest.Exec(t, server.Conn(t, "postgres", "postgres"), "CREATE ROLE "+naming.MonitorRole+" LOGIN IN ROLE pg_monitor")
	return watch(t, server)
}

func watch(t *testing.T, server *pgtest.Server) *scene {
	t.Helper()
	s := &scene{Server: server, t: t, now: time.Now()}
	s.handler = New(Options{
		Connect: func(ctx context.Context) (*pgx.Conn, error) {
			return server.Connect(ctx, naming.MonitorRole, "postgres")
		},
		Instance: "demo-1", Cluster: "demo", Volumes: map[string]string{"data": server.Data, "wal": filepath.Join(server.Data, "pg_wal")},
		Now: func() time.Time { return s.now }, Report: func(err error) { s.errors = append(s.errors, err) },
	})
	t.Cleanup(s.handler.Close)
	return s
}

// read moves the clock and reads the metrics with Prometheus' parser.
func (s *scene) read() map[string]*dto.MetricFamily {
	s.t.Helper()
	s.now = s.now.Add(2 * time.Second)
	return s.again()
}

func (s *scene) again() map[string]*dto.MetricFamily {
	s.t.Helper()
	answer := httptest.NewRecorder()
	s.handler.ServeHTTP(answer, httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK || answer.Header().Get("Content-Type") != contentType {
		s.t.Errorf("the answer is %d, %s", answer.Code, answer.Header().Get("Content-Type"))
	}
	families, err := parser().TextToMetricFamilies(strings.NewReader(answer.Body.String()))
	if err != nil {
		s.t.Fatalf("Prometheus cannot read it: %v\n%s", err, answer.Body)
	}
	for name, f := range families {
		seen := map[string]bool{}
		for _, m := range f.GetMetric() {
			if key := fmt.Sprint(m.GetLabel()); seen[key] {
				s.t.Errorf("%s has %s twice", name, key)
			} else {
				seen[key] = true
			}
		}
	}
	return families
}

// value of the sample with this label value, or the only one where label is "".
func value(t *testing.T, families map[string]*dto.MetricFamily, name, label string) float64 {
	t.Helper()
	for _, m := range families[prefix+name].GetMetric() {
		matches := label == "" && len(m.GetLabel()) == 0
		for _, l := range m.GetLabel() {
			matches = matches || l.GetValue() == label
		}
		if matches {
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	t.Errorf("%s %s is missing: %v", name, label, families[prefix+name])
	return -1
}

func (s *scene) fine() {
	s.t.Helper()
	if len(s.errors) > 0 {
		s.t.Errorf("not all could be collected: %v", errors.Join(s.errors...))
	}
}

func TestMetricsOfAPrimary(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		s := newScene(t, programs, map[string]string{"max_connections": "33", "archive_mode": "on", "archive_command": "true", "wal_level": "logical"})
		conn := s.Conn(t, "postgres", "postgres")
		pgtest.Exec(t, conn, `CREATE DATABASE "odd ""name"" \ é"`, "CREATE ROLE app LOGIN", "CREATE ROLE careful LOGIN", "CREATE TABLE t (id int)",
			"SELECT pg_create_physical_replication_slot('timonier_demo_2', true)", "SELECT pg_create_logical_replication_slot('unused', 'pgoutput', true)",
			"ALTER ROLE app SET synchronous_commit = local", "ALTER DATABASE postgres SET synchronous_commit = off", "ALTER ROLE careful SET synchronous_commit = remote_apply",
			"ALTER ROLE app IN DATABASE postgres SET synchronous_commit = off",
			"ALTER SYSTEM SET max_connections = 44", "SELECT pg_reload_conf()", "SELECT pg_switch_wal()", "CHECKPOINT")
		// A session that ends tells its statistics at once.
		writer := s.Conn(t, "postgres", "postgres")
		pgtest.Exec(t, writer, "INSERT INTO t SELECT generate_series(1, 1000)")
		if err := writer.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		waiting := s.Conn(t, "postgres", "postgres")
		pgtest.Exec(t, waiting, "BEGIN", "LOCK TABLE t")
		blocked := make(chan error, 1)
		other := s.Conn(t, "postgres", "postgres")
		go func() {
			_, err := other.Exec(context.WithoutCancel(t.Context()), "SELECT count(*) FROM t")
			blocked <- err
		}()
		eventually(t, func() bool {
			f := s.read()
			return value(t, f, "locks_waiting", "") == 1 && value(t, f, "settings_pending_restart", "") == 1 && value(t, f, "wal_archived_total", "") > 0 &&
				value(t, f, "rows_inserted_total", "postgres") > 0
		})
		f := s.read()
		s.fine()
		for _, want := range []struct {
			name, label string
			value       float64
		}{
			{"up", "", 1}, {"in_recovery", "", 0}, {"timeline", "", 1}, {"connections_limit", "", 33}, {"info", "demo-1", 1},
			{"connections", "idle_in_transaction", 1}, {"connections", "active", 2}, {"prepared_transactions", "", 0},
			{"slot_active", "timonier_demo_2", 0}, {"slot_lost", "timonier_demo_2", 0}, {"collection_failures", "", 0},
			{"synchronous_commit_overrides", "local", 1}, {"deadlocks_total", "postgres", 0},
		} {
			if got := value(t, f, want.name, want.label); got != want.value {
				t.Errorf("%s %s is %v, want %v", want.name, want.label, got, want.value)
			}
		}
		for _, positive := range [][2]string{
			{"start_time_seconds", ""}, {"wal_position_bytes", ""}, {"wal_bytes_total", ""}, {"wal_directory_bytes", ""}, {"database_size_bytes", "postgres"}, {"database_size_bytes", "odd \"name\" \\ é"},
			{"commits_total", "postgres"}, {"rows_inserted_total", "postgres"}, {"slot_retained_bytes", "timonier_demo_2"}, {"oldest_transaction_age_seconds", ""}, {"transaction_id_age", ""}, {"multixact_id_age", ""},
			{"checkpoints_total", "requested"}, {"checkpoint_blocks_written_total", ""}, {"last_checkpoint_time_seconds", ""}, {"wal_last_archived_time_seconds", ""},
			{"volume_size_bytes", "data"}, {"volume_available_bytes", "wal"},
		} {
			if got := value(t, f, positive[0], positive[1]); positive[0] != "multixact_id_age" && got <= 0 {
				t.Errorf("%s %s is %v", positive[0], positive[1], got)
			}
		}
		if n := len(f[prefix+"synchronous_commit_overrides"].GetMetric()); n != 3 {
			t.Errorf("%d roles and databases have a lowered synchronous_commit: %v", n, f[prefix+"synchronous_commit_overrides"])
		}
		if _, told := f[prefix+"replay_lag_bytes"]; told {
			t.Error("a primary has a replay lag")
		}
		s.listsOverrides(conn)
		pgtest.Exec(t, waiting, "COMMIT")
		if err := <-blocked; err != nil {
			t.Error(err)
		}
	})
}

// listsOverrides of synchronous_commit for the status: the present ones, and no more than so many.
func (s *scene) listsOverrides(conn *pgx.Conn) {
	s.t.Helper()
	want := instanceapi.SynchronousCommitOverrides{Total: 3, Listed: []instanceapi.SynchronousCommitOverride{
		{Role: "app", Value: "local"}, {Database: "postgres", Value: "off"}, {Role: "app", Database: "postgres", Value: "off"}}}
	found, err := s.handler.SynchronousCommitOverrides(s.t.Context())
	if diff := cmp.Diff(want, found); err != nil || diff != "" {
		s.t.Errorf("%v; listed are (-want +got)\n%s", err, diff)
	}
	pgtest.Exec(s.t, conn, "DO $$BEGIN FOR i IN 1..30 LOOP EXECUTE format('CREATE ROLE many_%s', i); EXECUTE format('ALTER ROLE many_%s SET synchronous_commit = off', i); END LOOP; END$$")
	if found, err = s.handler.SynchronousCommitOverrides(s.t.Context()); err != nil || found.Total != 33 || len(found.Listed) != instanceapi.MaxOverrides {
		s.t.Errorf("%v; %d are listed, of %d", err, len(found.Listed), found.Total)
	}
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not happen")
		}
	}
}

func TestMetricsOfAStandbyAndOfItsPrimary(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		primary := newScene(t, programs, nil)
		standby := watch(t, pgtest.RunStandby(t, primary.Server, "demo-2", map[string]string{"default_transaction_isolation": "serializable"}))
		conn := primary.Conn(t, "postgres", "postgres")
		eventually(t, func() bool { return value(t, standby.read(), "wal_receiver_streaming", "") == 1 })
		pgtest.Exec(t, conn, "CREATE TABLE t (id int)")
		replica := standby.Conn(t, "postgres", "postgres")
		pgtest.Exec(t, replica, "SET default_transaction_isolation = 'read committed'")
		eventually(t, func() bool { return pgtest.Value[bool](t, replica, "SELECT to_regclass('t') IS NOT NULL") })
		pgtest.Exec(t, replica, "SELECT pg_wal_replay_pause()")
		pgtest.Exec(t, conn, "INSERT INTO t SELECT generate_series(1, 10000)")
		eventually(t, func() bool {
			return value(t, primary.read(), "standby_replay_lag_bytes", "demo-2") > 100000 && value(t, standby.read(), "replay_lag_bytes", "") > 100000
		})
		p, s := primary.read(), standby.read()
		primary.fine()
		standby.fine()
		for _, want := range []struct {
			families map[string]*dto.MetricFamily
			name     string
			label    string
			value    float64
		}{
			{p, "standby_streaming", "demo-2", 1}, {p, "standby_connections", "demo-2", 1}, {p, "standby_synchronous", "demo-2", 0},
			{s, "up", "", 1}, {s, "in_recovery", "", 1}, {s, "timeline", "", 1}, {s, "replay_paused", "", 1},
		} {
			if got := value(t, want.families, want.name, want.label); got != want.value {
				t.Errorf("%s is %v, want %v", want.name, got, want.value)
			}
		}
		if lag := value(t, s, "replay_lag_seconds", ""); lag <= 0 || lag > 120 {
			t.Errorf("replay_lag_seconds is %v", lag)
		}
		pgtest.Exec(t, replica, "SELECT pg_wal_replay_resume()")
		eventually(t, func() bool {
			s := standby.read()
			return value(t, s, "replay_lag_bytes", "") == 0 && value(t, s, "replay_lag_seconds", "") == 0
		})
		if err := primary.Stop(); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return value(t, standby.read(), "wal_receiver_streaming", "") == 0 })
		pgtest.Exec(t, replica, "SELECT pg_promote()")
		f := standby.read()
		if value(t, f, "timeline", "") != 2 || value(t, f, "in_recovery", "") != 0 {
			t.Errorf("after the promotion: %v, %v", f[prefix+"timeline"], f[prefix+"in_recovery"])
		}
		standby.fine()
	})
}

func TestMetricsAnswerWhenNoConnectionIsLeft(t *testing.T) {
	programs, err := pgtest.Find("17")
	if err != nil {
		t.Fatal(err)
	}
	s := newScene(t, programs, map[string]string{"max_connections": "12", "idle_session_timeout": "300ms"})
	if err := s.handler.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	canary := s.Conn(t, "postgres", "postgres")
	// Whoever idles as long as this one is ended, by what the user has set; metrics are not.
	_, _ = canary.WaitForNotification(t.Context())
	eventually(t, func() bool {
		conn, err := s.Connect(t.Context(), "postgres", "postgres")
		if err == nil {
			t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
			_, _ = conn.Exec(t.Context(), "SET idle_session_timeout = 0")
		}
		return err != nil
	})
	f := s.read()
	s.fine()
	used := 0.0
	for _, m := range f[prefix+"connections"].GetMetric() {
		used += m.GetGauge().GetValue()
	}
	if value(t, f, "up", "") != 1 || used != 12 || value(t, f, "connections_limit", "") != 12 {
		t.Errorf("up %v, %v connections", value(t, f, "up", ""), used)
	}
}

func TestAServerThatIsDownIsAValue(t *testing.T) {
	programs, err := pgtest.Find("15")
	if err != nil {
		t.Fatal(err)
	}
	s := newScene(t, programs, nil)
	if value(t, s.read(), "up", "") != 1 {
		t.Error("it is up")
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if f := s.again(); value(t, f, "up", "") != 1 {
		t.Error("within a second the same answer is given again")
	}
	f := s.read()
	if value(t, f, "up", "") != 0 || value(t, f, "volume_size_bytes", "data") <= 0 || value(t, f, "collection_failures", "") == 0 || len(s.errors) == 0 {
		t.Errorf("it is down: %v, %v", f, s.errors)
	}
	if len(f) > 7 {
		t.Errorf("%d families of a server that is down", len(f))
	}
	// A restart leaves a dead connection behind; the next answer is complete.
	if err := s.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.errors = nil
	if f := s.read(); value(t, f, "up", "") != 1 || value(t, f, "collection_failures", "") != 0 {
		t.Errorf("it is up again: %v, %v", f, s.errors)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.errors = nil
	if f := s.read(); value(t, f, "up", "") != 1 || value(t, f, "collection_failures", "") != 0 {
		t.Errorf("restarted between two readings: %v, %v", f, s.errors)
	}
}

func TestAServerThatHangsDoesNotHangTheMetrics(t *testing.T) {
	programs, err := pgtest.Find("17")
	if err != nil {
		t.Fatal(err)
	}
	s := newScene(t, programs, nil)
	// A query has half of it: none but the one that waits for the lock takes so long, also where the machine is busy.
	s.handler.options.Timeout = 4 * time.Second
	if value(t, s.read(), "up", "") != 1 {
		t.Error("it is up")
	}
	locker := s.Conn(t, "postgres", "postgres")
	pgtest.Exec(t, locker, "BEGIN", "LOCK TABLE pg_catalog.pg_db_role_setting IN ACCESS EXCLUSIVE MODE")
	begun := time.Now()
	s.now = s.now.Add(2 * time.Minute) // what is kept for a minute is asked again
	f := s.read()
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if value(t, f, "up", "") != 1 || value(t, f, "collection_failures", "") != 1 || value(t, f, "connections_limit", "") != 100 {
		t.Errorf("one group waits for a lock: %v", f)
	}
	pgtest.Exec(t, locker, "ROLLBACK")
	// Where the whole server hangs, an answer comes all the same, and the connection is made anew later.
	if err := syscall.Kill(s.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	backend := int(s.handler.conn.PgConn().PID())
	_ = syscall.Kill(backend, syscall.SIGSTOP)
	begun = time.Now()
	f = s.read()
	_ = syscall.Kill(backend, syscall.SIGCONT)
	if err := syscall.Kill(s.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 8*time.Second || value(t, f, "up", "") != 0 {
		t.Errorf("the server was frozen: after %v, %v", took, f)
	}
	s.handler.options.Timeout = 20 * time.Second
	if f := s.read(); value(t, f, "up", "") != 1 {
		t.Errorf("it is thawed: %v", s.errors)
	}
}

func TestOnlyReadingIsAllowed(t *testing.T) {
	answer := httptest.NewRecorder()
	New(Options{}).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/metrics", nil))
	if answer.Code != http.StatusMethodNotAllowed {
		t.Error(answer.Code)
	}
}

func TestAVolumeThatCannotBeMeasuredIsReported(t *testing.T) {
	var e encoder
	err := writeVolumes(&e, map[string]string{"data": os.TempDir(), "wal": "/does/not/exist"})
	if err == nil || !strings.Contains(err.Error(), "volume wal") || !strings.Contains(e.String(), `volume="data"`) || strings.Contains(e.String(), `volume="wal"`) {
		t.Errorf("%v\n%s", err, e.String())
	}
}
