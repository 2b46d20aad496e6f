//go:build integration

package access_test

import (
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

func TestAVerifierIsInNoLogAndNoStatistics(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		s := start(t, programs, map[string]string{
			"log_statement": "all", "log_min_duration_statement": "0", "log_duration": "on", "log_transaction_sample_rate": "1", "log_min_error_statement": "debug5",
			"log_min_messages": "debug2", "debug_print_parse": "on", "log_parameter_max_length": "-1", "log_error_verbosity": "verbose",
			"shared_preload_libraries": "pg_stat_statements,auto_explain", "pg_stat_statements.track": "all", "pg_stat_statements.track_utility": "on",
			"auto_explain.log_min_duration": "0", "auto_explain.log_nested_statements": "on",
		})
		pgtest.Exec(t, s.conn, "CREATE EXTENSION pg_stat_statements")
		good, failing := role("good"), role("failing")
		good.Verifier, failing.Verifier, failing.ConnectionLimit = newVerifier(t, "a"), newVerifier(t, "b"), -5
		report := s.apply(instanceapi.Access{Roles: []instanceapi.Role{good, failing}})
		expect(t, report.Roles, "failing", instanceapi.ObjectFailed)
		good.Verifier = newVerifier(t, "c")
		report = s.apply(instanceapi.Access{Roles: []instanceapi.Role{good, failing}})
		if !strings.Contains(s.Log(), "prepar") && !strings.Contains(s.Log(), "set_config") {
			t.Error("the log has no statements at all: this test sees nothing")
		}
		for what, text := range map[string]string{
			"log":        s.Log(),
			"statistics": s.text("SELECT coalesce(string_agg(query, ';'), '') FROM pg_stat_statements"),
			"activity":   s.text("SELECT coalesce(string_agg(query, ';'), '') FROM pg_stat_activity WHERE pid <> pg_backend_pid()"),
			"report":     find(report.Roles, "failing").Message,
		} {
			if strings.Contains(text, "SCRAM-SHA-256$") || strings.Contains(text, good.Verifier[20:]) {
				t.Errorf("a verifier is in the %s", what)
			}
		}
	})
}

// The owner of a database may put anything into it, and set the search_path of those who come.
func TestNothingOfAUsersSchemaRunsAsSuperuser(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		s := start(t, programs, nil)
		s.apply(instanceapi.Access{Roles: []instanceapi.Role{role("app"), role("owner")}, Databases: []instanceapi.Database{{Name: "trap", Owner: "owner"}}})
		trap := s.Conn(t, "owner", "trap")
		pgtest.Exec(t, trap, "CREATE SCHEMA evil", "CREATE TABLE evil.caught (what text)", "GRANT ALL ON evil.caught TO PUBLIC", "GRANT USAGE ON SCHEMA evil TO PUBLIC",
			`CREATE FUNCTION evil.spring(text, text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN INSERT INTO evil.caught VALUES (current_user); RETURN true; END $$`,
			`CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.spring)`,
			`CREATE FUNCTION evil.set_config(text, text, bool) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO evil.caught VALUES (current_user); RETURN ''; END $$`,
			`CREATE FUNCTION evil.pg_describe_object(oid, oid, int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO evil.caught VALUES (current_user); RETURN ''; END $$`,
			`CREATE VIEW evil.pg_extension AS SELECT current_user::name AS extname, ARRAY[]::oid[] AS extconfig WHERE evil.spring('', '')`,
			`CREATE VIEW evil.pg_settings AS SELECT current_user::text AS name WHERE evil.spring('', '')`,
			`ALTER DATABASE trap SET search_path = evil, pg_catalog`)
		if got := pgtest.Value[bool](t, s.Conn(t, "owner", "trap"), "SELECT 'a'::text = 'b'::text"); !got {
			t.Fatal("the trap does not work: this test sees nothing")
		}
		pgtest.Exec(t, trap, "TRUNCATE evil.caught", "GRANT SELECT ON evil.caught TO app")
		report := s.apply(instanceapi.Access{Roles: []instanceapi.Role{role("owner"), absent("app")}, Databases: []instanceapi.Database{{Name: "trap", Owner: "owner", Extensions: []string{"hstore"}}}})
		expect(t, report.Roles, "app", instanceapi.ObjectRefused, "table evil.caught (rights) in database trap")
		report = s.apply(instanceapi.Access{Databases: []instanceapi.Database{{Name: "trap", Absent: true}}})
		expect(t, report.Databases, "trap", instanceapi.ObjectRefused, "table evil.caught")
		if n := pgtest.Value[int](t, trap, "SELECT count(*) FROM evil.caught"); n != 0 {
			t.Errorf("code of a user ran %d times", n)
		}
	})
}
