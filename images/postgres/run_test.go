package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// locale is how initdb is called so that text sorts the same whatever the C library: by code
// point. See README.md, "Locales".
var locale = map[string]string{
	"17": "--locale-provider=builtin --locale=C.UTF-8",
	"15": "--locale-provider=libc --lc-collate=C --lc-ctype=C.UTF-8",
}

// functions are what the scripts of these tests share. Clusters are in /mnt, a volume.
const functions = `
b() { echo /usr/lib/postgresql/$1/bin; }
init() { # MAJOR LOCALE
	$(b $1)/initdb -D /mnt/$1 --encoding=UTF8 $2 -U postgres --auth-local=peer --auth-host=reject -N >/tmp/initdb 2>&1 ||
		{ cat /tmp/initdb; exit 1; }
}
start() { # MAJOR [SETTING]...
	m=$1; shift
	$(b $m)/pg_ctl -D /mnt/$m -w -l /tmp/log -o "-c listen_addresses='' -c fsync=off $*" start >/dev/null || { cat /tmp/log; exit 1; }
}
stop() { $(b $1)/pg_ctl -D /mnt/$1 -w -m fast stop >/dev/null; }
sql() { psql -XAtq -v ON_ERROR_STOP=1 -U postgres -h /run/postgresql "$@"; }
`

func TestEachVersionRunsUnderAnyUserOnAReadOnlyRoot(t *testing.T) {
	t.Parallel()
	for _, major := range Majors {
		t.Run(major, func(t *testing.T) {
			t.Parallel()
			out := sh(t, pod(t), functions+fmt.Sprintf(`
				! touch /usr/x 2>/dev/null
				id -u
				init %[1]s "%[2]s"
				start %[1]s
				stat -c %%u /proc/$(head -1 /mnt/%[1]s/postmaster.pid)
				sql -c "show server_version_num"
				stop %[1]s`, major, locale[major]))
			lines := strings.Fields(out)
			if len(lines) != 3 || lines[0] != "123456" || lines[1] != "123456" || !strings.HasPrefix(lines[2], major) {
				t.Errorf("printed %q, want the user twice and version %s", lines, major)
			}
		})
	}
}

func TestTextSortsByCodePointAndKnowsLetters(t *testing.T) {
	t.Parallel()
	provider := map[string]string{"17": "b|C.UTF-8", "15": "c|"}
	for _, major := range Majors {
		t.Run(major, func(t *testing.T) {
			t.Parallel()
			out := sh(t, pod(t), functions+fmt.Sprintf(`
				init %[1]s "%[2]s"
				start %[1]s
				if [ %[1]s = 17 ]; then sql -c "select datlocprovider, datlocale from pg_database where datname = 'postgres'"
				else sql -c "select datlocprovider, daticulocale from pg_database where datname = 'postgres'"; fi
				sql -c "select coalesce(datcollversion, 'none') from pg_database where datname = 'postgres'"
				sql -c "select string_agg(x, ' ' order by x) from unnest(array['b','a','B','é','z','Z','ß']) x"
				sql -c "select upper('éà') || lower('ÉΣ')"
				stop %[1]s`, major, locale[major]))
			version := "none" // PostgreSQL 15 records none, for it compares bytes itself
			if major == "17" {
				version = "1" // of the builtin provider, which is PostgreSQL's own
			}
			want := []string{provider[major], version, "B Z a b z ß é", "ÉÀéσ"}
			if got := strings.Split(out, "\n"); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestAClusterIsUpgradedFrom15To17(t *testing.T) {
	t.Parallel()
	out := sh(t, pod(t), functions+fmt.Sprintf(`
		init 15 "%s"
		start 15
		sql -c "create table t as select * from unnest(array['b','a','B','é']) x; create index on t (x)"
		stop 15
		init 17 "%s"
		cd /tmp
		$(b 17)/pg_upgrade -b $(b 15) -B $(b 17) -d /mnt/15 -D /mnt/17 -U postgres --link --no-sync >/tmp/upgrade 2>&1 ||
			{ cat /tmp/upgrade; exit 1; }
		start 17
		sql -c "set enable_seqscan = off; select string_agg(x, ' ' order by x) from t where x > 'A'"
		sql -c "select datlocprovider from pg_database where datname = 'postgres'"
		stop 17`, locale["15"], locale["17"]))
	// The upgraded databases keep the locale they had; the order is the same in both.
	if want := "B a b é\nc"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

func TestExtensionsAndSettingsOfDebiansBuildWork(t *testing.T) {
	t.Parallel()
	for _, major := range Majors {
		t.Run(major, func(t *testing.T) {
			t.Parallel()
			out := sh(t, pod(t), functions+fmt.Sprintf(`
				init %[1]s "%[2]s"
				start %[1]s -c shared_preload_libraries=pg_stat_statements,auto_explain -c jit=on
				sql -c "create extension pg_stat_statements; create extension pgcrypto; create extension postgres_fdw; create extension pg_trgm; create extension pg_visibility; create extension amcheck"
				sql -c "select pg_jit_available()"
				sql -c "select timestamptz '2026-07-01 12:00 UTC' at time zone 'US/Pacific'"
				sql -c "select 'a' < 'B' collate \"en-x-icu\""
				sql -c "select xpath('/a/text()', '<a>1</a>')"
				stop %[1]s`, major, locale[major]))
			if want := "f\n2026-07-01 05:00:00\nt\n{1}"; out != want {
				t.Errorf("got %q, want %q", out, want)
			}
		})
	}
}

func TestPgBackRestBacksUpAndRestores(t *testing.T) {
	t.Parallel()
	out := sh(t, pod(t), functions+fmt.Sprintf(`
		mkdir /mnt/repo /tmp/spool
		cat >/mnt/pgbackrest.conf <<-'END'
			[global]
			repo1-path=/mnt/repo
			log-path=/tmp
			lock-path=/tmp/lock
			spool-path=/tmp/spool
			log-level-file=off
			log-level-console=warn
			compress-type=zst
			repo1-retention-full=2
			start-fast=y
			[main]
			pg1-path=/mnt/17
			pg1-user=postgres
			pg1-socket-path=/run/postgresql
		END
		br() { pgbackrest --config=/mnt/pgbackrest.conf --stanza=main "$@"; }
		init 17 "%s"
		start 17 -c archive_mode=on "-c archive_command='pgbackrest --config=/mnt/pgbackrest.conf --stanza=main archive-push %%p'"
		br stanza-create
		sql -c "create table t as select generate_series(1, 1000) x"
		br --type=full backup
		stop 17
		rm -r /mnt/17
		br restore --type=immediate --target-action=promote
		start 17
		sql -c "select count(*) from t"
		stop 17`, locale["17"]))
	if out != "1000" {
		t.Errorf("got %q, want 1000 rows", out)
	}
}

func TestPgBouncerPoolsConnections(t *testing.T) {
	t.Parallel()
	out := sh(t, pod(t), functions+fmt.Sprintf(`
		init 17 "%s"
		start 17
		mkdir /tmp/pool
		echo '"postgres" ""' >/tmp/users
		cat >/tmp/pgbouncer.ini <<-'END'
			[databases]
			* = host=/run/postgresql
			[pgbouncer]
			unix_socket_dir = /tmp/pool
			listen_port = 6432
			auth_type = trust
			auth_file = /tmp/users
			pool_mode = transaction
			logfile = /tmp/pgbouncer.log
		END
		pgbouncer /tmp/pgbouncer.ini 2>/tmp/complaints & pool=$!
		until [ -S /tmp/pool/.s.PGSQL.6432 ]; do # it listens some time after it was started
			kill -0 $pool || { cat /tmp/complaints; exit 1; }
			sleep 0.1
		done
		psql -XAtq -h /tmp/pool -p 6432 -U postgres -c "select 'through the pool'" postgres
		kill $pool
		stop 17`, locale["17"]))
	if out != "through the pool" {
		t.Errorf("got %q", out)
	}
}
