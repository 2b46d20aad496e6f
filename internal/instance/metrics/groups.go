package metrics

import "time"

// maxRows bounds the databases, slots, standbys and so on that metrics tell of, the greatest first: time series are not free.
const maxRows = "50"

// groups is everything that PostgreSQL is asked.
func groups() []group {
	return []group{
		server, connections, transactions, databases, databaseSizes, checkpoints, checkpointer, wal, archiver, settings,
		position, standbys, receiver, slots, synchronousCommitOverrides,
	}
}

var server = group{
	name: "the server",
	query: fixed(`
		SELECT extract(epoch FROM pg_postmaster_start_time())::float8, pg_is_in_recovery()::int::float8,
		       CASE WHEN pg_is_in_recovery()
		            THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver), (SELECT timeline_id FROM pg_control_checkpoint()))
		            ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END::float8`),
	families: []family{
		{"start_time_seconds", gauge, "When the postmaster started, in Unix time."},
		{"in_recovery", gauge, "1 on a standby, 0 on a primary."},
		{"timeline", gauge, "The timeline of the WAL that is written, received or replayed."},
	},
}

var connections = group{
	name: "connections", labels: []string{"state"},
	query: fixed(`
		SELECT replace(s.state, ' ', '_'), count(a.pid)::float8
		FROM unnest(ARRAY['active', 'idle', 'idle in transaction', 'idle in transaction (aborted)', 'fastpath function call', 'disabled', 'starting']) s (state)
		LEFT JOIN pg_stat_activity a ON a.backend_type = 'client backend' AND coalesce(a.state, 'starting') = s.state
		GROUP BY 1 ORDER BY 1`),
	families: []family{{"connections", gauge, "Connections of clients by state, the one that metrics use included."}},
}

var transactions = group{
	name: "transactions",
	query: fixed(`
		SELECT current_setting('max_connections')::float8,
		       (SELECT count(*) FROM pg_locks WHERE NOT granted)::float8,
		       coalesce(extract(epoch FROM a.oldest), 0)::float8, coalesce(a.xmin, 0)::float8,
		       (SELECT count(*) FROM pg_prepared_xacts)::float8,
		       d.xid::float8, d.multixact::float8
		FROM (SELECT max(clock_timestamp() - xact_start) AS oldest, max(age(backend_xmin)) AS xmin
		      FROM pg_stat_activity WHERE backend_type IN ('client backend', 'parallel worker') AND pid <> pg_backend_pid()) a,
		     (SELECT max(age(datfrozenxid)) AS xid, max(mxid_age(datminmxid)) AS multixact FROM pg_database) d`),
	families: []family{
		{"connections_limit", gauge, "max_connections."},
		{"locks_waiting", gauge, "Locks that somebody waits for."},
		{"oldest_transaction_age_seconds", gauge, "How long the oldest open transaction of a client has been open; 0 without any."},
		{"oldest_snapshot_age_transactions", gauge, "How many transactions began since the oldest snapshot that is held; VACUUM removes nothing newer."},
		{"prepared_transactions", gauge, "Transactions prepared for two-phase commit."},
		{"transaction_id_age", gauge, "Transactions since the oldest row that is not frozen; writes stop at 2 thousand million."},
		{"multixact_id_age", gauge, "As transaction_id_age, for multixacts."},
	},
}

var databases = group{
	name: "databases", labels: []string{"database"},
	query: fixed(`
		SELECT datname, xact_commit::float8, xact_rollback::float8, blks_read::float8, blks_hit::float8,
		       tup_returned::float8, tup_fetched::float8, tup_inserted::float8, tup_updated::float8, tup_deleted::float8,
		       conflicts::float8, deadlocks::float8, temp_files::float8, temp_bytes::float8, checksum_failures::float8
		FROM pg_stat_database WHERE datname IS NOT NULL AND datname NOT IN ('template0', 'template1')
		ORDER BY xact_commit DESC, datname LIMIT ` + maxRows),
	families: []family{
		{"commits_total", counter, "Transactions committed."},
		{"rollbacks_total", counter, "Transactions rolled back."},
		{"blocks_read_total", counter, "Blocks that were not in shared_buffers."},
		{"blocks_hit_total", counter, "Blocks found in shared_buffers."},
		{"rows_returned_total", counter, "Rows that scans read."},
		{"rows_fetched_total", counter, "Rows that index scans fetched."},
		{"rows_inserted_total", counter, "Rows inserted."},
		{"rows_updated_total", counter, "Rows updated."},
		{"rows_deleted_total", counter, "Rows deleted."},
		{"recovery_conflicts_total", counter, "Queries cancelled on this standby since replay had to go on."},
		{"deadlocks_total", counter, "Deadlocks."},
		{"temporary_files_total", counter, "Temporary files written by queries that had too little work_mem."},
		{"temporary_bytes_total", counter, "Bytes in these files."},
		{"checksum_failures_total", counter, "Pages whose checksum was wrong."},
	},
}

var databaseSizes = group{
	name: "the sizes of databases", labels: []string{"database"}, keep: time.Minute,
	// Each size is a look at every file: so the databases to ask for are chosen first.
	query: fixed(`
		SELECT datname, pg_database_size(oid)::float8
		FROM (SELECT oid, datname FROM pg_database WHERE datname NOT IN ('template0', 'template1') ORDER BY oid LIMIT ` + maxRows + `) d
		ORDER BY 2 DESC, 1`),
	families: []family{{"database_size_bytes", gauge, "Size of a database on disk; measured once a minute."}},
}

var checkpoints = group{
	name: "checkpoints", labels: []string{"cause"},
	query: func(major int) string {
		if major < 17 {
			return `SELECT c.* FROM pg_stat_bgwriter, LATERAL (VALUES ('timed', checkpoints_timed::float8), ('requested', checkpoints_req::float8)) c`
		}
		return `SELECT c.* FROM pg_stat_checkpointer, LATERAL (VALUES ('timed', num_timed::float8), ('requested', num_requested::float8)) c`
	},
	families: []family{{"checkpoints_total", counter, "Checkpoints by cause."}},
}

var checkpointer = group{
	name: "the checkpointer",
	query: func(major int) string {
		if major < 17 {
			return `SELECT buffers_checkpoint::float8, checkpoint_write_time / 1000, checkpoint_sync_time / 1000 FROM pg_stat_bgwriter`
		}
		return `SELECT buffers_written::float8, write_time / 1000, sync_time / 1000 FROM pg_stat_checkpointer`
	},
	families: []family{
		{"checkpoint_blocks_written_total", counter, "Blocks written by checkpoints."},
		{"checkpoint_write_seconds_total", counter, "Time that checkpoints took to write."},
		{"checkpoint_sync_seconds_total", counter, "Time that checkpoints took to flush what they had written."},
	},
}

var wal = group{
	name: "WAL",
	query: fixed(`
		SELECT wal_records::float8, wal_bytes::float8, wal_fpi::float8, wal_buffers_full::float8,
		       (SELECT sum(size) FROM pg_ls_waldir())::float8,
		       extract(epoch FROM (SELECT checkpoint_time FROM pg_control_checkpoint()))::float8
		FROM pg_stat_wal`),
	families: []family{
		{"wal_records_total", counter, "WAL records written."},
		{"wal_bytes_total", counter, "Bytes of WAL written."},
		{"wal_full_page_images_total", counter, "Full page images in the WAL."},
		{"wal_buffers_full_total", counter, "How often WAL was written since wal_buffers were full."},
		{"wal_directory_bytes", gauge, "Size of the files in pg_wal."},
		{"last_checkpoint_time_seconds", gauge, "When the latest checkpoint began, in Unix time."},
	},
}

var archiver = group{
	name: "the archiver",
	query: fixed(`
		SELECT archived_count::float8, failed_count::float8, extract(epoch FROM last_archived_time)::float8, extract(epoch FROM last_failed_time)::float8
		FROM pg_stat_archiver`),
	families: []family{
		{"wal_archived_total", counter, "WAL files archived."},
		{"wal_archive_failures_total", counter, "Failures to archive a WAL file."},
		{"wal_last_archived_time_seconds", gauge, "When a WAL file was last archived, in Unix time."},
		{"wal_last_archive_failure_time_seconds", gauge, "When archiving last failed, in Unix time."},
	},
}

var settings = group{
	name:     "settings",
	query:    fixed(`SELECT count(*) FILTER (WHERE pending_restart)::float8 FROM pg_settings`),
	families: []family{{"settings_pending_restart", gauge, "Parameters whose new value waits for a restart."}},
}
