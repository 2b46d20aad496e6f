package postgres

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/postgres/catalogue"
)

func TestOrdinaryParametersAreAdmitted(t *testing.T) {
	parameters := map[string]string{
		"shared_buffers": "256MB", "max_connections": "200", "work_mem": "4 MB", "Work_Mem2.x": "anything",
		"random_page_cost": "1.1", "autovacuum_naptime": "1min", "TIMEZONE": "Europe/Paris", "DateStyle": "ISO, DMY",
		"synchronous_commit": "remote_apply", "wal_level": "logical", "max_wal_senders": "40", "jit": "yes",
		"checkpoint_timeout": "1h", "max_wal_size": "4GB", "temp_buffers": "0x400", "log_min_messages": "info",
		"shared_preload_libraries": "auto_explain, pg_prewarm", "auto_explain.log_min_duration": "250ms",
		"pgaudit.log": "ddl, role", "session_preload_libraries": "auto_explain, plpgsql", "max_slot_wal_keep_size": "10GB", "ssl_min_protocol_version": "tlsv1.3",
		"search_path": `"$user", public`, "log_line_prefix": `it's 100% \ fine`, "recovery_prefetch": "off",
	}
	for _, major := range catalogue.Majors() {
		if problems := CheckParameters(major, parameters); problems != nil {
			t.Errorf("PostgreSQL %s: %v", major, problems)
		}
		if problems := CheckParameters(major, nil); problems != nil {
			t.Errorf("PostgreSQL %s: %v", major, problems)
		}
	}
}

func TestParametersThatAreRefused(t *testing.T) {
	for _, test := range []struct{ name, value, cause, remedy string }{
		// What breaks durability.
		{"fsync", "off", "power failure", "remove"},
		{"fsync", "on", "power failure", "remove"},
		{"full_page_writes", "off", "power failure", "remove"},
		{"FULL_PAGE_WRITES", "off", "power failure", "remove"},
		{"synchronous_commit", "off", "lost", "remote_apply"},
		{"synchronous_commit", "local", "lost", "remote_apply"},
		{"synchronous_commit", "remote_write", "lost", "remote_apply"},
		{"data_sync_retry", "on", "loses data", "remove"},
		{"zero_damaged_pages", "on", "damage", "remove"},
		{"ignore_checksum_failure", "on", "damage", "remove"},
		{"wal_level", "minimal", "standbys", "logical"},
		{"session_replication_role", "replica", "foreign keys", "remove"},
		// What Timonier manages.
		{"listen_addresses", "*", "Timonier sets it itself", "remove"},
		{"port", "5433", "Timonier sets it itself", "remove"},
		{"primary_conninfo", "host=x", "Timonier sets it itself", "remove"},
		{"synchronous_standby_names", "", "Timonier sets it itself", "remove"},
		{"hot_standby", "off", "Timonier sets it itself", "remove"},
		{"cluster_name", "x", "Timonier sets it itself", "remove"},
		{"archive_command", "cp %p /x", "Timonier sets it itself", "remove"},
		{"password_encryption", "md5", "Timonier sets it itself", "remove"},
		{"restart_after_crash", "on", "Timonier sets it itself", "remove"},
		{"logging_collector", "off", "Timonier sets it itself", "remove"},
		{"ssl", "off", "Timonier", "remove"},
		{"ssl_ciphers", "ALL", "Timonier manages", "remove"},
		{"log_filename", "x", "Timonier", "remove"},
		{"recovery_target_time", "now", "point in time", "remove"},
		{"recovery_min_apply_delay", "1h", "replays late", "remove"},
		{"restore_command", "x", "commands", "remove"},
		{"external_pid_file", "/x", "file or folder", "remove"},
		{"data_directory", "/x", "file or folder", "remove"},
		{"unix_socket_permissions", "0700", "socket", "remove"},
		{"timonier.anything", "1", "kept for Timonier", "remove"},
		// What a file cannot hold.
		{"server_version", "18", "does not take it", "remove"},
		{"transaction_isolation", "serializable", "does not take it", "remove"},
		// What is not known.
		{"max_conections", "5", "does not know it", "did you mean max_connections?"},
		{"shared_bufers", "5", "does not know it", "did you mean shared_buffers?"},
		{"nonsense", "5", "does not know it", "correct the name"},
		{"pg_stat_statements.maximum", "5", "does not know it", "did you mean pg_stat_statements.max?"},
		// Values.
		{"max_connections", "many", "not a number", "from 1 to 262143"},
		{"max_connections", "0", "out of bounds", "from 1 to 262143"},
		{"max_connections", "5", "too small", "at least 10"},
		{"max_connections", "100MB", "takes none", "whole number"},
		{"shared_buffers", "256 mb", "mb", "MB"},
		{"shared_buffers", "256M", "unit", "MB"},
		{"shared_buffers", "10s", "unit", "MB"},
		{"statement_timeout", "10sec", "unit", "min"},
		{"statement_timeout", "30d", "out of bounds", "ms"},
		{"random_page_cost", "cheap", "not a number", "number"},
		{"jit", "maybe", "neither on nor off", "on or off"},
		{"jit", "o", "neither on nor off", "on or off"},
		{"wal_compression", "zip", "not one of its values", "lz4"},
		{"max_wal_senders", "10", "too small", "at least 20"},
		{"max_replication_slots", "10", "too small", "at least 32"},
		{"max_slot_wal_keep_size", "-1", "too small", "at least 0"},
		{"superuser_reserved_connections", "0", "too small", "at least 3"},
		{"log_min_messages", "fatal", "would not be seen", "warning"},
		{"ssl_min_protocol_version", "TLSv1", "broken", "TLSv1.3"},
		{"shared_preload_libraries", "/tmp/evil", "plain name", "without path"},
		{"session_preload_libraries", "$libdir/../x", "nobody could connect", "shared_preload_libraries"},
		{"session_preload_libraries", "auto_explain, pgaudit", "nobody could connect", "shared_preload_libraries"},
		{"local_preload_libraries", "auto_explain", "nobody could connect", "remove"},
		// What could break out of its line.
		{"work_mem", "4MB\nfsync = off", "line break", "one line"},
		{"search_path", "a\rb", "control", "one line"},
		{"my.text", "a\x00b", "control", "one line"},
		{"my.text", "a\xffb", "control", "plain text"},
		{"my.text", strings.Repeat("x", 1001), "1001 bytes", "at most"},
		{"work_mem = 4MB\nfsync", "off", "name", "such as work_mem"},
		{"include", "/etc/passwd", "does not know it", ""},
		{"include_dir", "/etc", "does not know it", ""},
		{"", "x", "name", ""},
		{"my..text", "x", "name", ""},
		{"9lives", "x", "name", ""},
	} {
		for _, major := range catalogue.Majors() {
			problems := CheckParameters(major, map[string]string{test.name: test.value})
			if len(problems) != 1 {
				t.Errorf("PostgreSQL %s, %q = %q: %v", major, test.name, test.value, problems)
				continue
			}
			p := problems[0]
			if !strings.HasPrefix(p.Field, "spec.parameters") || !strings.Contains(p.Cause, test.cause) || !strings.Contains(p.Remedy, test.remedy) || strings.ContainsAny(p.String(), "\n\r") || len(p.String()) > 1500 {
				t.Errorf("PostgreSQL %s, %q = %q: %v; want cause %q, remedy %q", major, test.name, test.value, p, test.cause, test.remedy)
			}
		}
	}
}

func TestTheVersionDecidesWhatIsKnown(t *testing.T) {
	for name, major := range map[string]string{"transaction_timeout": "17", "scram_iterations": "17", "old_snapshot_threshold": "15"} {
		for _, m := range catalogue.Majors() {
			problems := CheckParameters(m, map[string]string{name: "10"})
			if m == major && problems != nil {
				t.Errorf("%s in PostgreSQL %s: %v", name, m, problems)
			}
			if m != major && (len(problems) != 1 || !strings.Contains(problems[0].Remedy, "PostgreSQL "+major+" has it")) {
				t.Errorf("%s in PostgreSQL %s: %v", name, m, problems)
			}
		}
	}
	if problems := CheckParameters("16", map[string]string{"work_mem": "4MB"}); len(problems) != 1 || problems[0].Field != "spec.version" {
		t.Errorf("an unknown version: %v", problems)
	}
}

func TestParametersThatDoNotGoTogether(t *testing.T) {
	problems := CheckParameters("17", map[string]string{"max_connections": "20", "superuser_reserved_connections": "10", "reserved_connections": "10"})
	if len(problems) != 1 || problems[0].Field != "spec.parameters.max_connections" {
		t.Error(problems)
	}
	problems = CheckParameters("17", map[string]string{"work_mem": "4MB", "WORK_MEM": "8MB"})
	if len(problems) != 1 || !strings.Contains(problems[0].Cause, "same parameter") {
		t.Error(problems)
	}
	// All problems at once, so that a person corrects them in one go.
	problems = CheckParameters("17", map[string]string{"fsync": "off", "work_mem": "x", "port": "1"})
	if len(problems) != 3 || !slices.IsSortedFunc(problems, func(a, b Problem) int { return strings.Compare(a.Field, b.Field) }) {
		t.Error(problems)
	}
}

func TestEverySettingOfTheTableIsKnownToPostgreSQL(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range settingsTable {
		if seen[s.name] {
			t.Errorf("%s is in the table twice", s.name)
		}
		seen[s.name] = true
		if s.reason == "" {
			t.Errorf("%s has no reason", s.name)
		}
		if _, known := catalogue.Lookup("17", s.name); !known {
			t.Errorf("PostgreSQL 17 does not know %s", s.name)
		}
	}
	for name := range restrictions {
		if p, known := catalogue.Lookup("17", name); !known || p.Name != name {
			t.Errorf("a restriction is for %s, which PostgreSQL 17 does not know", name)
		}
	}
}

func input(major string) SettingsInput {
	return SettingsInput{
		Major: major, Instance: "demo-1", SocketDirectory: "/run/postgresql",
		CertificateFile: "/tls/tls.crt", KeyFile: "/tls/tls.key", CAFile: "/tls/ca.crt",
		LogDirectory: "/run/log", LogFile: "postgresql.log", PrimarySlotName: "timonier_demo_1",
		MemoryBytes: 1 << 30, WALVolumeBytes: 20 << 30,
	}
}

func value(t *testing.T, in SettingsInput, name string) EffectiveSetting {
	t.Helper()
	for _, s := range EffectiveSettings(in) {
		if s.Name == name {
			return s
		}
	}
	t.Errorf("%s is not set", name)
	return EffectiveSetting{}
}

func TestTimoniersOwnDefaultsAreAdmittedWhereUsersMaySetThem(t *testing.T) {
	for _, major := range catalogue.Majors() {
		for _, s := range EffectiveSettings(input(major)) {
			problems := CheckParameters(major, map[string]string{s.Name: s.Value})
			if (s.Source == SourceTimonier) != (len(problems) == 1) {
				t.Errorf("PostgreSQL %s: %s = %q of %s: %v", major, s.Name, s.Value, s.Source, problems)
			}
		}
	}
}

func TestTheUsersValueReplacesTheDefaultWhateverItsSpelling(t *testing.T) {
	in := input("17")
	in.Parameters = map[string]string{"SHARED_BUFFERS": "1GB", "timezone": "Europe/Paris", "Port": "1"}
	if s := value(t, in, "shared_buffers"); s.Value != "1GB" || s.Source != SourceUser {
		t.Error(s)
	}
	if s := value(t, in, "TimeZone"); s.Value != "Europe/Paris" {
		t.Error(s)
	}
	if s := value(t, in, "port"); s.Value != "5432" {
		t.Error("what CheckParameters refuses won over Timonier's own value:", s)
	}
}

func TestLibrariesOfTheUserAreAddedToTimoniers(t *testing.T) {
	for given, want := range map[string]string{
		"auto_explain":                        "pg_stat_statements,auto_explain",
		"auto_explain, pg_stat_statements":    "auto_explain,pg_stat_statements",
		"":                                    "pg_stat_statements",
		" auto_explain ,, auto_explain,a.b-c": "pg_stat_statements,auto_explain,a.b-c",
	} {
		in := input("17")
		in.Parameters = map[string]string{"shared_preload_libraries": given}
		if s := value(t, in, "shared_preload_libraries"); s.Value != want {
			t.Errorf("%q becomes %q, want %q", given, s.Value, want)
		}
	}
}

func TestAStandbysSettingsAreRaisedToWhatItsPrimaryRanWith(t *testing.T) {
	in := input("17")
	in.Parameters = map[string]string{"max_connections": "50", "max_worker_processes": "32"}
	in.Floor = map[string]int64{"max_connections": 200, "max_worker_processes": 8, "max_prepared_transactions": 7}
	for name, want := range map[string]string{"max_connections": "200", "max_worker_processes": "32", "max_prepared_transactions": "7", "max_wal_senders": "20"} {
		if s := value(t, in, name); s.Value != want {
			t.Errorf("%s is %s, want %s", name, s.Value, want)
		}
	}
	want := map[string]int64{"max_connections": 50, "max_worker_processes": 32, "max_wal_senders": 20, "max_locks_per_transaction": 64, "max_prepared_transactions": 0}
	if got := DesiredStandbySensitive("17", in.Parameters); !maps.Equal(got, want) {
		t.Errorf("DesiredStandbySensitive = %v, want %v", got, want)
	}
}

func TestSizesFollowMemoryAndVolume(t *testing.T) {
	for _, test := range []struct {
		name           string
		memory, volume int64
		want           string
	}{
		{"shared_buffers", 1 << 30, 0, "256MB"},
		{"shared_buffers", 0, 0, "128MB"},
		{"shared_buffers", 1 << 20, 0, "16MB"},
		{"effective_cache_size", 4 << 30, 0, "3072MB"},
		{"maintenance_work_mem", 1 << 30, 0, "64MB"},
		{"maintenance_work_mem", 1 << 40, 0, "1024MB"},
		{"max_wal_size", 0, 300 << 20, "60MB"},
		{"max_wal_size", 0, 100 << 30, "1024MB"},
		{"min_wal_size", 0, 300 << 20, "32MB"},
		{"max_slot_wal_keep_size", 0, 300 << 20, "75MB"},
		{"max_slot_wal_keep_size", 0, 20 << 30, "5120MB"},
		{"max_slot_wal_keep_size", 0, 0, "1024MB"},
		{"wal_keep_size", 0, 300 << 20, "30MB"},
		{"wal_keep_size", 0, 100 << 30, "512MB"},
	} {
		if s := value(t, SettingsInput{Major: "17", MemoryBytes: test.memory, WALVolumeBytes: test.volume}, test.name); s.Value != test.want {
			t.Errorf("%s with %d bytes of memory and %d of volume is %s, want %s", test.name, test.memory, test.volume, s.Value, test.want)
		}
	}
}

func FuzzNoValueBreaksOutOfItsLine(f *testing.F) {
	f.Add("my.text", "it's \\ \n fsync = off")
	f.Add("work_mem\nfsync", "off")
	f.Add("shared_preload_libraries", "a','b")
	f.Fuzz(func(t *testing.T, name, val string) {
		parameters := map[string]string{name: val}
		plain := strings.Count(RenderSettings(SettingsInput{Major: "17"}), "\n")
		config := RenderSettings(SettingsInput{Major: "17", Parameters: parameters})
		if lines := strings.Count(config, "\n"); lines != plain && lines != plain+3 {
			t.Errorf("%q = %q adds %d lines", name, val, lines-plain)
		}
		for line := range strings.Lines(config) {
			if !strings.HasPrefix(line, "#") && line != "\n" && strings.Count(strings.ReplaceAll(line, `\\`, ""), "'")%2 != 0 {
				t.Errorf("%q = %q leaves a quote open: %q", name, val, line)
			}
		}
		for _, p := range CheckParameters("17", parameters) {
			if strings.ContainsAny(p.String(), "\n\r\x00") {
				t.Errorf("%q = %q: the message has a line break: %q", name, val, p)
			}
		}
	})
}
