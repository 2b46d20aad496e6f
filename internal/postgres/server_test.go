//go:build integration

package postgres_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
	"github.com/timonier-io/timonier/internal/postgres/catalogue"
	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

func TestPostgreSQLTakesEverySettingAsItWasMeant(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		in := postgres.SettingsInput{Parameters: map[string]string{
			"my.text": `it's a \ 'quoted' "text" with 100% #hash`, "max_connections": "0x40", "WORK_MEM": "5 MB",
			"shared_preload_libraries": "auto_explain", "synchronous_commit": "remote_apply", "search_path": `"$user", public`,
		}}
		if problems := postgres.CheckParameters(programs.Major, in.Parameters); problems != nil {
			t.Fatal(problems)
		}
		server := instance(t, programs, in, postgres.HBAInput{Open: true})
		conn := server.Conn(t, naming.Superuser, "postgres")
		// Where it listens is on the command line, which comes before the file.
		if wrong := pgtest.Value[string](t, conn, `SELECT coalesce(string_agg(name || ': ' || coalesce(error, 'not applied'), '; '), '') FROM pg_file_settings
			WHERE (error IS NOT NULL OR NOT applied) AND name NOT IN ('listen_addresses','port','unix_socket_directories')`); wrong != "" {
			t.Errorf("settings of postgresql.conf that are not in force: %s", wrong)
		}
		for name, want := range map[string]string{
			"my.text": in.Parameters["my.text"], "max_connections": "64", "work_mem": "5MB", "cluster_name": "demo-1",
			"shared_preload_libraries": "pg_stat_statements,auto_explain", "primary_conninfo": "service=leader", "restart_after_crash": "off",
			"ssl": "on", "data_checksums": "on", "shared_buffers": "128MB", "synchronous_commit": "remote_apply", "archive_command": "true",
			"max_slot_wal_keep_size": "512MB", "primary_slot_name": "timonier_demo_1", "search_path": `"$user", public`, "wal_retrieve_retry_interval": "100ms",
		} {
			if got := pgtest.Value[string](t, conn, "SELECT current_setting($1)", name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		log, err := os.ReadFile(filepath.Join(server.Data, "log", "postgresql.json"))
		if err != nil || !strings.HasPrefix(string(log), "{") {
			t.Errorf("there is no log in JSON: %v", err)
		}
		pgtest.Exec(t, conn, "CREATE EXTENSION pg_stat_statements", "SELECT count(*) FROM pg_stat_statements")
	})
}

func TestTheSortOrderDoesNotComeFromTheCLibrary(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		conn := instance(t, programs, postgres.SettingsInput{}, postgres.HBAInput{Open: true}).Conn(t, naming.Superuser, "postgres")
		pgtest.Exec(t, conn, "CREATE DATABASE app")
		for query, want := range map[string]string{
			"SHOW server_encoding": "UTF8",
			// By code point: upper case before lower, accents last.
			"SELECT string_agg(x, '' ORDER BY x) FROM unnest(ARRAY['b','a','é','B','_','A']) x": "AB_abé",
			"SELECT upper('éß')": "ÉSS|Éß",
			"SELECT (SELECT collversion IS NULL FROM pg_collation WHERE collname = 'C')::text":           "true",
			"SELECT CASE datcollate WHEN 'C' THEN 'C' END FROM pg_database WHERE datname = 'app'":        "C",
			"SELECT coalesce(datcollversion, 'none') FROM pg_database WHERE datname = 'app'":             "none|1",
			"SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolsuper AND rolname NOT LIKE 'pg\\_%'": "postgres",
			"SELECT coalesce(max(rolpassword), 'none') FROM pg_authid WHERE rolname = 'postgres'":        "none",
		} {
			if got := pgtest.Value[string](t, conn, query); !strings.Contains("|"+want+"|", "|"+got+"|") {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
		}
	})
}

// texts that a person might write for a value, right and wrong.
var texts = []string{
	"0", "1", "-1", "+5", "010", "08", "0x1F", "0x", "1_000", "1e2", "1.5", ".5", "5.", "1.5GB", "1,5", "", " ", " 7 ", "7 ", "\t7",
	"100MB", "100 MB", "100 mb", "100M", "1TB", "100kB", "100B", "8192B", "1GB GB", "10s", "10 s", "1min", "1h", "1d", "30d", "500us", "10sec", "1.5h",
	"on", "off", "of", "o", "ON", "tru", "t", "yes", "y", "n", "no", "none", "1.0", "2", "true", "TRUE ", "local", "remote_apply", "Remote_Apply", "remote_write",
	"99999999999999999999", "2147483647", "2147483648", "-2147483649", "NaN", "infinity", "1e400", "1e-3", "--5", "+-5", "0.4999999", "63.4", "63.5", "63.6", "1000.4", "1000.5", "1000.6", "-1.4", "-1.5", "262143.4", "262143.5", "0.5", "debug1", "warning", "zip", "pglz",
}

// Values are judged without a server: so the judgement is compared with a server's own.
func TestValuesAreJudgedAsPostgreSQLDoes(t *testing.T) {
	names := []string{"work_mem", "statement_timeout", "random_page_cost", "enable_seqscan", "wal_compression", "log_min_duration_statement",
		"vacuum_cost_delay", "temp_buffers", "log_temp_files", "effective_io_concurrency", "track_activities", "geqo_seed", "auto_explain.log_min_duration", "tcp_keepalives_idle", "deadlock_timeout"}
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		server := pgtest.Run(t, programs, pgtest.Options{Settings: map[string]string{"shared_preload_libraries": "auto_explain"}})
		conn := server.Conn(t, "postgres", "postgres")
		compared := 0
		for _, name := range names {
			for _, text := range texts {
				_, err := conn.Exec(t.Context(), "SELECT set_config($1, $2, true)", name, text) // until the statement ends: a time-out would hit the next
				problems := postgres.CheckParameters(programs.Major, map[string]string{name: text})
				if (err == nil) != (problems == nil) && !stricter(name, text) {
					t.Errorf("%s = %q: PostgreSQL says %v, we say %v", name, text, err, problems)
				}
				compared++
			}
		}
		t.Logf("%d values compared", compared)
	})
}

// stricter: what is refused on purpose although PostgreSQL takes it.
func stricter(name, text string) bool {
	switch {
	case strings.ContainsAny(text, "\t"):
		return true // control characters
	case text == "0x1F" && (name == "random_page_cost" || name == "vacuum_cost_delay"):
		return true // hexadecimal for a real
	case name == "wal_compression" && !strings.ContainsAny(text, " "):
		// Hidden spellings of an enum (true, 1, yes for on) are not in pg_settings.
		return true
	}
	return false
}

func TestTheCatalogueIsWhatTheServerSays(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		conn := pgtest.Run(t, programs, pgtest.Options{}).Conn(t, "postgres", "postgres")
		rows, err := conn.Query(t.Context(), "SELECT name, context, vartype, coalesce(unit, ''), coalesce(min_val, '0')::float8, coalesce(max_val, '0')::float8 FROM pg_settings")
		if err != nil {
			t.Fatal(err)
		}
		const maxAdded = 3
		seen, added := 0, 0
		for rows.Next() {
			var want catalogue.Parameter
			if err := rows.Scan(&want.Name, &want.Context, &want.Type, &want.Unit, &want.Min, &want.Max); err != nil {
				t.Fatal(err)
			}
			got, known := catalogue.Lookup(programs.Major, want.Name)
			if !known && added < maxAdded {
				// Minor releases rarely add one; until the catalogue is generated anew, users cannot set it.
				t.Logf("the catalogue does not know %s; run go generate in internal/postgres/catalogue", want.Name)
				added++
				continue
			}
			if got.Name != want.Name || got.Context != want.Context || got.Type != want.Type || got.Unit != want.Unit || (got.Min != want.Min || got.Max != want.Max) && want.Name != "server_version_num" {
				t.Errorf("the catalogue has %+v (%v), the server %+v; run go generate in internal/postgres/catalogue", got, known, want)
			}
			seen++
		}
		if err := rows.Err(); err != nil || seen < 300 {
			t.Errorf("%d parameters: %v", seen, err)
		}
	})
}

// Only libpq tells whether a verifier is right, since it prepares passwords as the server does.
func TestOneLogsInWithThePasswordOfAVerifier(t *testing.T) {
	passwords := []string{"pencil", "it's a \\ \"pass\" word", "é", "e\u0301", "\u2168\u00aa\u00ad", "a\u00a0b", "пароль", "密码", "\U0001F600\u00aa", "\u0627\u0628", "\u0627a", "\u0007\u00aa", strings.Repeat("x", 500)}
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		server := pgtest.Run(t, programs, pgtest.Options{Files: map[string]string{"pg_hba.conf": "local all postgres trust\nlocal all all scram-sha-256\n"}})
		conn := server.Conn(t, "postgres", "postgres")
		login := func(password string) error {
			command := programs.Command(t.Context(), "psql", "-XAt", "-h", server.Socket, "-p", fmt.Sprint(server.Port), "-U", "app", "-d", "postgres", "-c", "SELECT 1")
			command.Env = append(command.Env, "PGPASSWORD="+password)
			output, err := command.CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, output)
			}
			return nil
		}
		pgtest.Exec(t, conn, "CREATE ROLE app LOGIN")
		for _, password := range passwords {
			verifier, err := postgres.SCRAMVerifier(password, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			pgtest.Exec(t, conn, "ALTER ROLE app PASSWORD "+postgres.QuoteLiteral(verifier))
			if stored := pgtest.Value[string](t, conn, "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'"); stored != verifier {
				t.Errorf("%q: PostgreSQL stored %q for %q", password, stored, verifier)
			}
			if err := login(password); err != nil {
				t.Errorf("%q: %v", password, err)
			}
			if err := login(password + "x"); err == nil {
				t.Errorf("%q: another password logs in too", password)
			}
			// The other way round: PostgreSQL's own verifier fits the password.
			pgtest.Exec(t, conn, "ALTER ROLE app PASSWORD "+postgres.QuoteLiteral(password))
			own := pgtest.Value[string](t, conn, "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'")
			if !postgres.SCRAMMatches(own, password) || postgres.SCRAMMatches(own, password+"x") {
				t.Errorf("%q does not fit the verifier that PostgreSQL made of it", password)
			}
		}
	})
}

func TestLibpqReadsConnectionStringsAndServiceFiles(t *testing.T) {
	const role, database, password = `o'd d\@:/?%role`, `a/b?c=&d e`, `p:/?#[]@!$&'()*+,;= %"\é`
	programs, err := pgtest.Find("17")
	if err != nil {
		t.Fatal(err)
	}
	server := pgtest.Run(t, programs, pgtest.Options{Files: map[string]string{"pg_hba.conf": "local all postgres trust\nlocal all all scram-sha-256\n"}})
	conn := server.Conn(t, "postgres", "postgres")
	pgtest.Exec(t, conn, "CREATE ROLE "+postgres.QuoteIdentifier(role)+" LOGIN PASSWORD "+postgres.QuoteLiteral(password),
		"CREATE DATABASE "+postgres.QuoteIdentifier(database))
	parameters := []postgres.ConnParameter{{"host", server.Socket}, {"user", role}, {"password", password}, {"dbname", database}}
	service, err := postgres.ServiceFile("leader", parameters...)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(server.Data, "service.conf")
	if err := server.WriteFile("service.conf", service); err != nil {
		t.Fatal(err)
	}
	endpoint := postgres.Endpoint{User: role, Password: password, Database: database, Parameters: []postgres.ConnParameter{{"host", server.Socket}}}
	for name, conninfo := range map[string]string{"conninfo": postgres.Conninfo(parameters...), "service": "service=leader", "URI": endpoint.URI()} {
		command := programs.Command(t.Context(), "psql", "-XAt", "-c", `SELECT session_user || '|' || current_database()`, conninfo)
		command.Env = append(command.Env, "PGSERVICEFILE="+file)
		output, err := command.CombinedOutput()
		if got := strings.TrimSpace(string(output)); err != nil || got != role+"|"+database {
			t.Errorf("%s: %v, %s", name, err, got)
		}
	}
}

func TestTextsAreQuotedWhateverTheSessionSays(t *testing.T) {
	programs, err := pgtest.Find("15")
	if err != nil {
		t.Fatal(err)
	}
	conn := pgtest.Run(t, programs, pgtest.Options{}).Conn(t, "postgres", "postgres")
	for _, conforming := range []string{"on", "off"} {
		pgtest.Exec(t, conn, "SET standard_conforming_strings = "+conforming, "SET escape_string_warning = off")
		for _, text := range []string{"", "it's", `a\b`, `\'; DROP TABLE x; --`, "a\nb", `"é"`, `\\`, `''`} {
			if got := pgtest.Value[string](t, conn, "SELECT"+" "+postgres.QuoteLiteral(text)); got != text {
				t.Errorf("standard_conforming_strings %s: %q is %q", conforming, text, got)
			}
			if text == "" {
				continue
			}
			if got := conn.QueryRow(t.Context(), "SELECT 1 AS "+postgres.QuoteIdentifier(text)); got.Scan(new(int)) != nil {
				t.Errorf("%q cannot be a name", text)
			}
		}
	}
}

// A standby is cloned, catches up, is stopped, and promoted: control data and history are read at each step.
func TestControlDataAndHistoryOfAStandby(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		primary := instance(t, programs, postgres.SettingsInput{Parameters: map[string]string{"max_connections": "77"}}, postgres.HBAInput{})
		conn := primary.Conn(t, naming.Superuser, "postgres")
		// Over the socket: the certificate's way is the instance's own test.
		control := func() postgres.ControlData {
			t.Helper()
			output, err := programs.Run(context.WithoutCancel(t.Context()), "pg_controldata", primary.Data)
			if err != nil {
				t.Fatal(err)
			}
			data, err := postgres.ParseControlData(output)
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		running := control()
		if running.State != postgres.StateInProduction || running.CleanlyShutDown() || running.StandbySensitive["max_connections"] != 77 || running.StandbySensitive["max_wal_senders"] != 20 || !running.WALLogHints || !running.DataChecksums {
			t.Errorf("running: %+v", running)
		}
		if system := pgtest.Value[string](t, conn, "SELECT system_identifier::text FROM pg_control_system()"); system != running.SystemIdentifier {
			t.Errorf("the system identifier is %s, not %s", system, running.SystemIdentifier)
		}
		position, err := postgres.ParseLSN(pgtest.Value[string](t, conn, "SELECT pg_current_wal_insert_lsn()::text"))
		if err != nil {
			t.Fatal(err)
		}
		if err := primary.Stop(); err != nil {
			t.Fatal(err)
		}
		stopped := control()
		if !stopped.CleanlyShutDown() || stopped.CheckpointLocation < position || stopped.CheckpointLocation != stopped.CheckpointREDO {
			t.Errorf("stopped after %s: %+v", position, stopped)
		}
		if err := primary.WriteFile("standby.signal", ""); err != nil {
			t.Fatal(err)
		}
		if err := primary.Boot(t.Context()); err != nil {
			t.Fatal(err)
		}
		standby := primary.Conn(t, naming.Superuser, "postgres")
		if data := control(); data.State != postgres.StateInArchiveRecovery {
			t.Errorf("as a standby: %+v", data)
		}
		pgtest.Exec(t, standby, "SELECT pg_promote()", "CHECKPOINT")
		if data := control(); data.State != postgres.StateInProduction || data.Timeline() != 2 || data.CheckpointPreviousTimeline != 1 && data.CheckpointPreviousTimeline != 2 {
			t.Errorf("promoted: %+v", data)
		}
		content, err := os.ReadFile(filepath.Join(primary.Data, "pg_wal", postgres.HistoryFileName(2)))
		if err != nil {
			t.Fatal(err)
		}
		fork := strings.Fields(string(content))
		if len(fork) < 2 || fork[0] != "1" {
			t.Fatalf("the history says %q", content)
		}
		if at, err := postgres.ParseLSN(fork[1]); err != nil || at < stopped.CheckpointLocation {
			t.Errorf("timeline 1 was left at %v (%v), before %v", at, err, stopped.CheckpointLocation)
		}
	})
}
