//go:build integration

package access_test

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/instance/access"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

// server with what Apply needs, and shorthands.
type server struct {
	*pgtest.Server
	t    *testing.T
	conn *pgx.Conn
}

func start(t *testing.T, programs pgtest.Programs, settings map[string]string) server {
	t.Helper()
	s := pgtest.Run(t, programs, pgtest.Options{Settings: settings})
	return server{s, t, own(t, s, "postgres", "postgres")}
}

// own opens a connection of the test's own, which what users set for applications does not hit either: not even before its first statement.
func own(t *testing.T, s *pgtest.Server, user, database string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	config.Host, config.Port, config.User, config.Database = s.Socket, uint16(s.Port), user, database
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.RuntimeParams = map[string]string{"idle_session_timeout": "0", "default_transaction_read_only": "off"}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatalf("connecting to database %s as %s: %v", database, user, err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func (s server) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	return s.Connect(ctx, "postgres", database)
}

func (s server) apply(desired instanceapi.Access) instanceapi.AccessReport {
	s.t.Helper()
	report, err := access.Apply(s.t.Context(), s.connect, desired)
	if err != nil {
		s.t.Fatal(err)
	}
	return report
}

// in runs statements in a database, over a connection of their own.
func (s server) in(database string, statements ...string) {
	s.t.Helper()
	conn, err := s.Connect(s.t.Context(), "postgres", database)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(s.t.Context())
	pgtest.Exec(s.t, conn, statements...)
}

func (s server) text(query string, arguments ...any) string {
	s.t.Helper()
	return pgtest.Value[string](s.t, s.conn, query, arguments...)
}

func (s server) hasRole(name string) bool {
	s.t.Helper()
	return pgtest.Value[bool](s.t, s.conn, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", name)
}

func (s server) hasDatabase(name string) bool {
	s.t.Helper()
	return pgtest.Value[bool](s.t, s.conn, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name)
}

// find is what is said about an object; State is "" where nothing is.
func find(reports []instanceapi.ObjectReport, name string) instanceapi.ObjectReport {
	for _, r := range reports {
		if r.Name == name {
			return r
		}
	}
	return instanceapi.ObjectReport{}
}

func expect(t *testing.T, reports []instanceapi.ObjectReport, name string, state instanceapi.ObjectState, words ...string) {
	t.Helper()
	r := find(reports, name)
	if r.State != state {
		t.Errorf("%s is %q (%s), want %q", name, r.State, r.Message, state)
	}
	for _, word := range words {
		if !strings.Contains(r.Message, word) {
			t.Errorf("%s: %q does not say %q", name, r.Message, word)
		}
	}
}

func role(name string) instanceapi.Role {
	return instanceapi.Role{Name: name, Login: true, Inherit: true, ConnectionLimit: -1}
}

func absent(name string) instanceapi.Role { return instanceapi.Role{Name: name, Absent: true} }

func newVerifier(t *testing.T, password string) string {
	t.Helper()
	v, err := postgres.SCRAMVerifier(password, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRolesAndDatabasesAreMadeAsAsked(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		// What users set for applications must not hit Timonier.
		s := start(t, programs, map[string]string{"default_transaction_read_only": "on", "idle_session_timeout": "200ms", "lock_timeout": "1", "statement_timeout": "0", "idle_in_transaction_session_timeout": "1"})
		app, report := role("app"), role("report-reader")
		app.Verifier, app.CreateDB, app.ConnectionLimit = newVerifier(t, "secret"), true, 7
		report.MemberOf, report.Login, report.BypassRLS = []string{"pg_read_all_data", "app"}, false, true
		odd := role(`we"ird\; DROP ROLE app --'`)
		desired := instanceapi.Access{
			Roles: []instanceapi.Role{report, app, odd},
			Databases: []instanceapi.Database{
				{Name: "app", Owner: "app", Extensions: []string{"earthdistance", "pg_trgm", "plpgsql"}},
				{Name: "odd-one", Owner: odd.Name},
			},
		}
		if got := s.apply(desired); len(got.Roles)+len(got.Databases) > 0 {
			t.Fatalf("%+v", got)
		}
		if got := s.text("SELECT rolcanlogin || ' ' || rolcreatedb || ' ' || rolconnlimit || ' ' || rolpassword FROM pg_authid WHERE rolname = 'app'"); got != "true true 7 "+app.Verifier {
			t.Error(got)
		}
		if got := s.text("SELECT rolcanlogin || ' ' || rolbypassrls FROM pg_roles WHERE rolname = 'report-reader'"); got != "false true" {
			t.Error(got)
		}
		if got := s.text("SELECT string_agg(roleid::regrole::text, ' ' ORDER BY roleid::regrole::text) FROM pg_auth_members WHERE member = '\"report-reader\"'::regrole"); got != "app pg_read_all_data" {
			t.Error(got)
		}
		if got := s.text("SELECT string_agg(datname || ':' || pg_get_userbyid(datdba), ' ' ORDER BY datname) FROM pg_database WHERE datname LIKE 'app' OR datname LIKE 'odd%'"); got != "app:app odd-one:"+odd.Name {
			t.Error(got)
		}
		inApp := own(t, s.Server, "app", "app")
		if got := pgtest.Value[string](t, inApp, "SELECT string_agg(extname || ':' || extnamespace::regnamespace, ' ' ORDER BY extname) FROM pg_extension"); got != "cube:public earthdistance:public pg_trgm:public plpgsql:pg_catalog" {
			t.Error(got)
		}

		t.Run("and a second time nothing is written", func(t *testing.T) {
			next := func() string { return s.text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text") }
			before := next()
			if got := s.apply(desired); len(got.Roles)+len(got.Databases) > 0 {
				t.Errorf("%+v", got)
			}
			if after := next(); after != before {
				t.Errorf("transactions %s to %s have written", before, after)
			}
		})

		t.Run("and changed as they change", func(t *testing.T) {
			pgtest.Exec(t, s.conn, "ALTER ROLE app SUPERUSER", "ALTER ROLE app SET work_mem = '8MB'", "ALTER ROLE app VALID UNTIL '2099-01-01'")
			app.Verifier, app.CreateDB, app.ConnectionLimit = newVerifier(t, "changed"), false, -1
			report.MemberOf = []string{"app"}
			changed := instanceapi.Access{Roles: []instanceapi.Role{app, report, odd},
				Databases: []instanceapi.Database{{Name: "app", Owner: "report-reader"}, {Name: "odd-one", Owner: odd.Name}}}
			if got := s.apply(changed); len(got.Roles)+len(got.Databases) > 0 {
				t.Errorf("%+v", got)
			}
			if got := s.text("SELECT rolsuper || ' ' || rolcreatedb || ' ' || rolconnlimit || ' ' || (rolvaliduntil IS NOT NULL) || ' ' || rolpassword FROM pg_authid WHERE rolname = 'app'"); got != "false false -1 true "+app.Verifier {
				t.Error(got)
			}
			if got := s.text("SELECT array_to_string(rolconfig, ',') FROM pg_roles WHERE rolname = 'app'"); got != "work_mem=8MB" {
				t.Error(got)
			}
			if got := s.text("SELECT string_agg(roleid::regrole::text, ' ') FROM pg_auth_members WHERE member = '\"report-reader\"'::regrole"); got != "app" {
				t.Error(got)
			}
			if got := s.text("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'app'"); got != "report-reader" {
				t.Error(got)
			}
		})
	})
}

func TestOneObjectsErrorDoesNotStopTheOthers(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		s := start(t, programs, nil)
		bad, lost, mighty := role("bad"), role("lost"), role("mighty")
		bad.ConnectionLimit = -5
		lost.MemberOf = []string{"nobody", "pg_monitor"}
		mighty.MemberOf = []string{"postgres", "pg_execute_server_program"}
		inClear := role("clear")
		inClear.Verifier = "a password in clear"
		report := s.apply(instanceapi.Access{
			Roles: []instanceapi.Role{bad, lost, mighty, inClear, role("postgres"), role("timonier_monitor"), role("good"), absent("pg_monitor")},
			Databases: []instanceapi.Database{
				{Name: "a", Owner: "missing"}, {Name: "b", Owner: "good", Extensions: []string{"postgis", "hstore"}},
				{Name: "template1", Owner: "good"}, {Name: "postgres", Absent: true, ConfirmDataLoss: "postgres"},
			},
		})
		expect(t, report.Roles, "bad", instanceapi.ObjectFailed, "invalid connection limit")
		expect(t, report.Roles, "lost", instanceapi.ObjectFailed, "nobody", "memberOf")
		expect(t, report.Roles, "mighty", instanceapi.ObjectRefused, "postgres", "pg_execute_server_program")
		expect(t, report.Roles, "clear", instanceapi.ObjectRefused, "SCRAM")
		expect(t, report.Roles, "postgres", instanceapi.ObjectRefused, "belongs to")
		expect(t, report.Roles, "timonier_monitor", instanceapi.ObjectRefused, "belongs to")
		expect(t, report.Roles, "pg_monitor", instanceapi.ObjectRefused, "belongs to")
		expect(t, report.Roles, "good", "")
		expect(t, report.Databases, "a", instanceapi.ObjectFailed, "missing")
		expect(t, report.Databases, "b", instanceapi.ObjectFailed, "postgis", "the image does not have it", "hstore, ")
		expect(t, report.Databases, "template1", instanceapi.ObjectRefused, "belongs to")
		expect(t, report.Databases, "postgres", instanceapi.ObjectRefused, "belongs to")
		if s.hasRole("clear") || s.hasRole("timonier_monitor") {
			t.Error("a role was made that must not be")
		}
		if got := s.text("SELECT string_agg(roleid::regrole::text, ' ') FROM pg_auth_members WHERE member::regrole::text IN ('lost', 'mighty')"); got != "pg_monitor" {
			t.Error(got)
		}
		if n := pgtest.Value[int](t, s.Conn(t, "postgres", "b"), "SELECT count(*) FROM pg_extension WHERE extname = 'hstore'"); n != 1 {
			t.Error("the extension after the missing one was not created")
		}
	})
}

func TestWhatIsTakenOffTheListIsLeftAloneAndReported(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		s := start(t, programs, nil)
		pgtest.Exec(t, s.conn, "CREATE ROLE by_hand", "CREATE DATABASE by_hand")
		all := instanceapi.Access{
			Roles:     []instanceapi.Role{role("app"), role("old"), role("older")},
			Databases: []instanceapi.Database{{Name: "app", Owner: "app"}, {Name: "old", Owner: "app"}},
		}
		s.apply(all)
		less := instanceapi.Access{Roles: all.Roles[:1], Databases: all.Databases[:1]}
		for range 2 {
			report := s.apply(less)
			want := []string{"old", "older"}
			if got := namesOf(report.Roles); !slices.Equal(got, want) {
				t.Errorf("roles %v are reported, want %v", got, want)
			}
			expect(t, report.Roles, "old", instanceapi.ObjectUnlisted, "not listed any more")
			expect(t, report.Databases, "old", instanceapi.ObjectUnlisted, "not listed any more")
			if len(report.Databases) != 1 || !s.hasDatabase("old") || !s.hasRole("old") {
				t.Errorf("%+v", report)
			}
		}
		if report := s.apply(all); len(report.Roles)+len(report.Databases) > 0 {
			t.Errorf("listed again: %+v", report)
		}
		// What somebody drops by hand is forgotten, also when it comes back by hand.
		s.apply(less)
		pgtest.Exec(t, s.conn, "DROP DATABASE old", "DROP ROLE old", "DROP ROLE older")
		if report := s.apply(less); len(report.Roles)+len(report.Databases) > 0 {
			t.Errorf("dropped by hand: %+v", report)
		}
		pgtest.Exec(t, s.conn, "CREATE ROLE old")
		if report := s.apply(less); len(report.Roles)+len(report.Databases) > 0 {
			t.Errorf("made by hand: %+v", report)
		}
		if got := s.text("SELECT string_agg(kind || ' ' || name, ', ' ORDER BY kind, name) FROM timonier.managed"); got != "database app, role app" {
			t.Errorf("marked are %s", got)
		}
	})
}

func namesOf(reports []instanceapi.ObjectReport) []string {
	var names []string
	for _, r := range reports {
		names = append(names, r.Name)
	}
	return names
}

func TestMembershipsSince16(t *testing.T) {
	programs, err := pgtest.Find("17")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, programs, nil)
	creator, member := role("creator"), role("member")
	creator.CreateRole = true
	member.MemberOf = []string{"pg_monitor"}
	desired := instanceapi.Access{Roles: []instanceapi.Role{creator, member, role("granter")}}
	s.apply(desired)
	pgtest.Exec(t, s.Conn(t, "creator", "postgres"), "CREATE ROLE child")
	pgtest.Exec(t, s.conn, "CREATE ROLE team", "GRANT team TO granter WITH ADMIN OPTION")
	pgtest.Exec(t, s.Conn(t, "granter", "postgres"), "GRANT team TO member")
	member.Inherit = false
	desired.Roles[1] = member
	if report := s.apply(desired); len(report.Roles) != 0 {
		t.Errorf("%+v", report)
	}
	if n := pgtest.Value[int](t, s.conn, "SELECT count(*) FROM pg_auth_members WHERE member = 'creator'::regrole AND admin_option"); n != 1 {
		t.Error("a role lost the right to administer the roles that it made")
	}
	if got := s.text("SELECT string_agg(roleid::regrole || ':' || inherit_option, ' ') FROM pg_auth_members WHERE member = 'member'::regrole"); got != "pg_monitor:false" {
		t.Error(got)
	}
	before := s.text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
	s.apply(desired)
	if after := s.text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text"); after != before {
		t.Error("a second time something is written")
	}
}

func TestAnEndedContextIsAnErrorNotAReport(t *testing.T) {
	programs, err := pgtest.Find("17")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, programs, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := access.Apply(ctx, s.connect, instanceapi.Access{Roles: []instanceapi.Role{role("app")}}); err == nil {
		t.Error("no error")
	}
	// It ends in the middle, while another Apply holds the lock.
	pgtest.Exec(t, s.conn, "SELECT pg_advisory_lock(8388356106315457906)")
	ctx, cancel = context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	report, err := access.Apply(ctx, s.connect, instanceapi.Access{Roles: []instanceapi.Role{role("app")}})
	if err == nil || !strings.Contains(err.Error(), "another change") {
		t.Errorf("%+v, %v", report, err)
	}
	if diff := cmp.Diff(instanceapi.AccessReport{}, report); diff != "" {
		t.Error(diff)
	}
}
