package postgres

import (
	"strconv"
	"time"

	"github.com/timonier-io/timonier/internal/naming"
)

// WALRetrieveRetryInterval is how long a standby waits before it tries again to get WAL.
const WALRetrieveRetryInterval = 100 * time.Millisecond

// setting is one row of the table of what Timonier sets. Whether a change of it needs
// a reload or a restart is in the catalogue (Parameter.Context).
type setting struct {
	name string
	// value may be "": then nothing is set, and PostgreSQL's default holds.
	value func(SettingsInput) string
	// overridable: users may set it, within the bounds that restrictions has.
	overridable bool
	// reason why Timonier sets it, and why users may not where they may not.
	reason string
}

const (
	defaultLibrary = "pg_stat_statements"

	// minWALSenders: 8 standbys of 9 instances, a clone each in progress, rewinds, and some for logical replication.
	minWALSenders = 20
	// minReplicationSlots: a slot for each of 9 instances, and room for those of a former set and of logical replication.
	minReplicationSlots = 32
)

// fixed is a value that depends on nothing.
func fixed(value string) func(SettingsInput) string {
	return func(SettingsInput) string { return value }
}

// when gives a value only where the condition holds.
func when(condition func(SettingsInput) bool, value string) func(SettingsInput) string {
	return func(in SettingsInput) string {
		if condition(in) {
			return value
		}
		return ""
	}
}

func hasTLS(in SettingsInput) bool { return in.CertificateFile != "" }
func hasLog(in SettingsInput) bool { return in.LogDirectory != "" }
func is17(in SettingsInput) bool   { return in.Major == "17" }

func port(in SettingsInput) string {
	if in.Port == 0 {
		return strconv.Itoa(naming.PortPostgres)
	}
	return strconv.Itoa(in.Port)
}

// settingsTable is the one place that tells what Timonier sets and why.
var settingsTable = []setting{
	// Where clients reach it.
	{"listen_addresses", fixed("*"), false, "pods are reached at addresses that change; pg_hba.conf decides who is admitted"},
	{"port", port, false, "Services and other instances expect this port"},
	{"unix_socket_directories", func(in SettingsInput) string { return in.SocketDirectory }, false, "the instance manager connects here"},
	{"hba_file", func(in SettingsInput) string { return in.HBAFile }, false, "the instance manager writes this file"},
	{"ident_file", func(in SettingsInput) string { return in.IdentFile }, false, "the instance manager writes this file"},
	{"ssl", when(hasTLS, "on"), false, "every connection over TCP is encrypted"},
	{"ssl_cert_file", func(in SettingsInput) string { return in.CertificateFile }, false, "Timonier issues and rotates this certificate"},
	{"ssl_key_file", func(in SettingsInput) string { return in.KeyFile }, false, "Timonier issues and rotates this key"},
	{"ssl_ca_file", func(in SettingsInput) string { return in.CAFile }, false, "the authority of the certificates with which instances replicate"},
	{"ssl_min_protocol_version", when(hasTLS, "TLSv1.2"), true, "older protocols are broken; TLSv1.3 is possible where all clients know it"},
	{"password_encryption", fixed("scram-sha-256"), false, "MD5 hashes can be replayed, and pg_hba.conf admits SCRAM only"},
	{"tcp_user_timeout", fixed("10s"), true, "a client or standby that vanished is noticed in seconds rather than in a quarter of an hour"},
	{"tcp_keepalives_idle", fixed("10s"), true, "as tcp_user_timeout, for idle connections"},
	{"tcp_keepalives_interval", fixed("3s"), true, "as tcp_user_timeout, for idle connections"},
	{"tcp_keepalives_count", fixed("3"), true, "as tcp_user_timeout, for idle connections"},

	// Replication.
	{"wal_level", fixed("replica"), true, "standbys need it; logical is possible"},
	{"hot_standby", fixed("on"), false, "standbys serve reads, and are watched by queries"},
	{"wal_log_hints", fixed("on"), false, "a former primary is brought back with pg_rewind"},
	{"max_wal_senders", fixed(strconv.Itoa(minWALSenders)), true, "room for 9 instances, clones, rewinds and logical replication, so that none needs a restart"},
	{"max_replication_slots", fixed(strconv.Itoa(minReplicationSlots)), true, "each instance has a slot on every other; room for logical replication"},
	{"max_connections", fixed("100"), true, "PostgreSQL's default, written down because a standby may not have less than its primary"},
	{"max_worker_processes", fixed("8"), true, "PostgreSQL's default, written down because a standby may not have less than its primary"},
	{"max_locks_per_transaction", fixed("64"), true, "PostgreSQL's default, written down because a standby may not have less than its primary"},
	{"max_prepared_transactions", fixed("0"), true, "PostgreSQL's default, written down because a standby may not have less than its primary"},
	{"primary_conninfo", fixed("service=leader"), false, "whom to follow is in the libpq service file, so that following somebody else needs no reload"},
	{"primary_slot_name", func(in SettingsInput) string { return in.PrimarySlotName }, false, "the leader keeps the WAL that this instance needs"},
	{"recovery_target_timeline", fixed("latest"), false, "a standby follows a newly promoted primary"},
	{"synchronous_standby_names", func(in SettingsInput) string { return in.SynchronousStandbyNames }, false, "who must have flushed a commit is decided by the election, and published in the Lease"},
	{"restart_after_crash", fixed("off"), false, "after a crash the instance manager restarts PostgreSQL; by itself it would show commits that no standby has"},
	{"wal_keep_size", walKeepSize, true, "pg_rewind finds the WAL since a divergence in pg_wal"},
	{"max_slot_wal_keep_size", maxSlotWALKeepSize, true, "a standby that is away cannot fill the volume; it is cloned again instead"},
	{"max_wal_size", maxWALSize, true, "PostgreSQL's default, or less on a small volume"},
	{"min_wal_size", minWALSize, true, "PostgreSQL's default, or less on a small volume"},
	{"wal_retrieve_retry_interval", fixed(strconv.FormatInt(WALRetrieveRetryInterval.Milliseconds(), 10) + "ms"), false, "a standby is back at once after its leader changed"},
	{"wal_sender_timeout", fixed("5s"), false, "a stale connection of a standby is noticed soon"},
	{"wal_receiver_timeout", fixed("5s"), false, "a silent leader is noticed soon"},
	{"wal_receiver_status_interval", fixed("1s"), false, "what a standby has replayed is known within a second"},
	{"archive_mode", fixed("on"), false, "a backup can be configured later without a restart"},
	{"archive_command", fixed("true"), false, "without a backup there is nothing to archive to, and WAL must not pile up; backups set another"},
	{"allow_alter_system", when(is17, "off"), false, "what ALTER SYSTEM sets would win over spec.parameters without being seen there"},

	// The log, which the instance manager reads from a FIFO.
	{"logging_collector", when(hasLog, "on"), false, "the instance manager passes the log on"},
	{"log_destination", when(hasLog, "jsonlog"), false, "the instance manager reads JSON"},
	{"log_directory", func(in SettingsInput) string { return in.LogDirectory }, false, "the instance manager reads here"},
	{"log_filename", func(in SettingsInput) string { return in.LogFile }, false, "the instance manager reads this file"},
	{"log_rotation_age", when(hasLog, "0"), false, "a FIFO is not rotated"},
	{"log_rotation_size", when(hasLog, "0"), false, "a FIFO is not rotated"},
	{"log_truncate_on_rotation", when(hasLog, "off"), false, "a FIFO is not truncated"},
	{"log_min_messages", fixed("warning"), true, "the warning of a commit that did not wait for its standbys must be seen"},
	{"log_lock_waits", fixed("on"), true, "who waited for a lock, and for whom, cannot be found out later"},
	{"log_temp_files", fixed("10MB"), true, "queries that need more work_mem are seen"},
	{"log_timezone", fixed("UTC"), true, "one time for all instances, wherever they run"},
	{"TimeZone", fixed("UTC"), true, "one time for all instances, wherever they run"},
	{"lc_messages", fixed("C"), true, "messages are the same in every image"},
	{"cluster_name", func(in SettingsInput) string { return in.Instance }, false, "process titles tell the instance"},

	// Memory and processes.
	{"shared_buffers", sharedBuffers, true, "a quarter of the container's memory"},
	{"effective_cache_size", effectiveCacheSize, true, "three quarters of the container's memory"},
	{"maintenance_work_mem", maintenanceWorkMem, true, "a sixteenth of the container's memory, for each of up to three autovacuum workers"},
	{"shared_memory_type", fixed("mmap"), false, "containers have no System V shared memory to speak of"},
	{"dynamic_shared_memory_type", fixed("posix"), false, "the pod has a /dev/shm of known size"},
	{"huge_pages", fixed("off"), true, "where the node has huge pages and the pod none, using them kills PostgreSQL with SIGBUS"},
	{"jit", fixed("off"), true, "the image has no LLVM, and short queries lose by it"},
	{"shared_preload_libraries", fixed(defaultLibrary), true, "the extension " + defaultLibrary + " works without a restart"},
}
