package metrics

import (
	"time"

	"github.com/timonier-io/timonier/internal/naming"
)

// here is the position that this server has reached: inserted on a primary, received (or else
// replayed) on a standby.
const here = `CASE WHEN pg_is_in_recovery() THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) ELSE pg_current_wal_insert_lsn() END`

var position = group{
	name: "the position",
	query: fixed(`
		SELECT (` + here + ` - '0/0')::float8,
		       (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END - '0/0')::float8,
		       CASE WHEN pg_is_in_recovery() THEN greatest(` + here + ` - pg_last_wal_replay_lsn(), 0) END::float8,
		       CASE WHEN NOT pg_is_in_recovery() OR pg_last_xact_replay_timestamp() IS NULL THEN NULL WHEN ` + here + ` = pg_last_wal_replay_lsn() THEN 0
		            ELSE greatest(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0) END::float8,
		       (pg_is_in_recovery() AND pg_is_wal_replay_paused())::int::float8`),
	families: []family{
		{"wal_position_bytes", gauge, "Position in the WAL: inserted on a primary, received on a standby."},
		{"wal_safe_position_bytes", gauge, "Position in the WAL that is flushed on a primary, replayed on a standby."},
		{"replay_lag_bytes", gauge, "On a standby: WAL that is received and not replayed."},
		{"replay_lag_seconds", gauge, "On a standby: how old the last replayed transaction is; 0 when all that was received is replayed; nothing before the first."},
		{"replay_paused", gauge, "1 when replay was paused by hand."},
	},
}

// standbyName is a member's instance: the rest of its application_name changes with each term and clone, and each would be another time series.
const standbyName = `CASE WHEN usename = '` + naming.ReplicationRole + `' THEN split_part(application_name, '.', 1) ELSE application_name END`

// A clone in progress has a name of its own and is not streaming. Two connections of one name become one row, the worse of them.
var standbys = group{
	name: "standbys", labels: []string{"standby"},
	query: fixed(`
		SELECT ` + standbyName + `, count(*)::float8, bool_and(state = 'streaming')::int::float8, bool_or(sync_state IN ('sync', 'quorum'))::int::float8,
		       max(` + here + ` - sent_lsn)::float8, max(` + here + ` - flush_lsn)::float8, max(` + here + ` - replay_lsn)::float8,
		       max(extract(epoch FROM flush_lag))::float8, max(extract(epoch FROM replay_lag))::float8
		FROM pg_stat_replication GROUP BY 1 ORDER BY 6 DESC NULLS LAST, 1 LIMIT ` + maxRows),
	families: []family{
		{"standby_connections", gauge, "Connections of this name that receive WAL from here."},
		{"standby_streaming", gauge, "1 when the standby has caught up and streams."},
		{"standby_synchronous", gauge, "1 when commits may wait for this standby."},
		{"standby_send_lag_bytes", gauge, "WAL that was not sent to the standby yet."},
		{"standby_flush_lag_bytes", gauge, "WAL that the standby has not flushed yet."},
		{"standby_replay_lag_bytes", gauge, "WAL that the standby has not replayed yet."},
		{"standby_flush_lag_seconds", gauge, "How long a recent commit took to be flushed on the standby; nothing while there is none."},
		{"standby_replay_lag_seconds", gauge, "How long a recent commit took to be replayed on the standby; nothing while there is none."},
	},
}

var receiver = group{
	name: "the WAL receiver",
	query: fixed(`
		SELECT (count(*) FILTER (WHERE status = 'streaming') > 0)::int::float8, max(extract(epoch FROM clock_timestamp() - last_msg_receipt_time))::float8
		FROM pg_stat_wal_receiver HAVING pg_is_in_recovery()`),
	families: []family{
		{"wal_receiver_streaming", gauge, "On a standby: 1 when WAL is being received."},
		{"wal_receiver_silence_seconds", gauge, "On a standby: time since the last message of whom it follows."},
	},
}

var slots = group{
	name: "replication slots", labels: []string{"slot", "type"},
	query: fixed(`
		SELECT slot_name, slot_type, active::int::float8, (wal_status = 'lost')::int::float8,
		       greatest(` + here + ` - restart_lsn, 0)::float8, safe_wal_size::float8
		FROM pg_replication_slots ORDER BY 5 DESC NULLS LAST, 1 LIMIT ` + maxRows),
	families: []family{
		{"slot_active", gauge, "1 when somebody uses the slot."},
		{"slot_lost", gauge, "1 when WAL that the slot needs is gone: its standby must be cloned again."},
		{"slot_retained_bytes", gauge, "WAL that is kept for the slot."},
		{"slot_remaining_bytes", gauge, "WAL that can still be written before max_slot_wal_keep_size takes the slot's away."},
	},
}

var synchronousCommitOverrides = group{
	name: "overrides of synchronous_commit", labels: []string{"database", "role", "synchronous_commit"}, keep: time.Minute,
	query: fixed(`SELECT o.database, o.role, o.value, 1::float8 FROM (` + overrides + `) o ORDER BY 1, 2 LIMIT ` + maxRows),
	families: []family{
		{"synchronous_commit_overrides", gauge, "On a primary: a role or database (empty for all) for which synchronous_commit was lowered: its acknowledged commits may be lost; looked at once a minute."},
	},
}
