package server

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
)

// Observation of a running server.
type Observation struct {
	InRecovery bool
	// Timeline that it writes, or has replayed a checkpoint of.
	Timeline int64
	// ControlTimeline is that of the last checkpoint in pg_control.
	ControlTimeline int64
	// Inserted is the end of the WAL of a primary, Flushed how much of it is on disk.
	Inserted, Flushed postgres.LSN
	// Received and Replayed on a standby; Received is zero where no walreceiver ran yet.
	Received, Replayed postgres.LSN
	// Receiver is the PID of the walreceiver, 0 for none, also of one that still connects (pg_stat_wal_receiver
	// does not show it, and what it then received would count); Streaming that it streams.
	Receiver  int
	Streaming bool
	// ReceivedTimeline is the one that the walreceiver receives, 0 without one.
	ReceivedTimeline int64
	// HeardAt is when the walreceiver last heard of its leader, by this server's clock: good for seeing that it changes. HeardAgo is how long before it
	// answered that was.
	HeardAt  time.Time
	HeardAgo time.Duration
	// Startup is the PID of the startup process, 0 for none. Blocked: replay waits for queries of clients to end. Paused: somebody has paused it.
	Startup         int
	Blocked, Paused bool
	// Exhausted: the startup process has replayed all there is and waits until it may try to get more. Awaits: it waits for what the walreceiver brings.
	Exhausted, Awaits bool
	// StandbySensitive are the values in force.
	StandbySensitive map[string]int64
	// Replicas are all whose name is like that of a member. The manager leaves those there that are one, and the rest becomes Others: it may hold a slot.
	Replicas, Others []Replica
}

// Replica is a walsender's other end.
type Replica struct {
	// Instance, Incarnation and Term in which it attached, from its application_name.
	Instance, Incarnation string
	Term                  int64
	Address               string
	State                 string
	Flushed, Replayed     postgres.LSN
	// Walsender is the process that sends, and since when: a PID alone may be another's later.
	Walsender Walsender
	// RepliedAt is when it last replied, by its own clock: good for seeing that it changes.
	RepliedAt time.Time
}

// Walsender is one process of this server.
type Walsender struct {
	PID       int
	StartedAt time.Time
}

// Streaming tells that it has caught up enough to stream.
func (r Replica) Streaming() bool { return r.State == "streaming" }

// The timeline of a primary is the one that it writes, read off a file name; a standby's is that of the last
// checkpoint or of the minimum recovery point, whichever is later: names of files that it received say nothing.
//
// Their order matters: whether something may still come, whether the startup process waits, and only then up to where it has replayed.
const observe = `
SELECT pg_is_in_recovery(),
       coalesce((SELECT max(pid) FROM pg_stat_activity WHERE backend_type = 'walreceiver'), 0),
       coalesce((SELECT wait_event = 'RecoveryRetrieveRetryInterval' FROM pg_stat_activity WHERE backend_type = 'startup'), false),
       CASE WHEN pg_is_in_recovery()
            THEN greatest(c.timeline_id, r.min_recovery_end_timeline)
            ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint END,
       c.timeline_id,
       CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_insert_lsn() END::text,
       CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_flush_lsn() END::text,
       pg_last_wal_receive_lsn()::text,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END::text,
       coalesce((SELECT status = 'streaming' FROM pg_stat_wal_receiver), false),
       coalesce((SELECT received_tli FROM pg_stat_wal_receiver), 0),
       coalesce((SELECT last_msg_receipt_time FROM pg_stat_wal_receiver), 'epoch'),
       coalesce((SELECT (1000000 * extract(epoch FROM clock_timestamp() - last_msg_receipt_time))::bigint FROM pg_stat_wal_receiver), 0),
       coalesce((SELECT wait_event LIKE 'RecoveryConflict%' OR wait_event_type IN ('Lock', 'BufferPin') FROM pg_stat_activity WHERE backend_type = 'startup'), false),
       coalesce((SELECT wait_event = 'RecoveryWalStream' FROM pg_stat_activity WHERE backend_type = 'startup'), false),
       coalesce((SELECT max(pid) FROM pg_stat_activity WHERE backend_type = 'startup'), 0),
       CASE WHEN pg_is_in_recovery() THEN pg_get_wal_replay_pause_state() <> 'not paused' ELSE false END,
       current_setting('max_connections')::bigint, current_setting('max_locks_per_transaction')::bigint,
       current_setting('max_prepared_transactions')::bigint, current_setting('max_wal_senders')::bigint,
       current_setting('max_worker_processes')::bigint
FROM pg_control_checkpoint() c, pg_control_recovery() r`

// A clone's connections carry another name, so they are not taken for members.
const observeReplicas = `
SELECT application_name, coalesce(host(client_addr), ''), coalesce(state, ''), coalesce(flush_lsn::text, ''), coalesce(replay_lsn::text, ''),
       pid, backend_start, coalesce(reply_time, 'epoch')
FROM pg_stat_replication WHERE usename = '` + naming.ReplicationRole + `' ORDER BY application_name`

// Observe asks what the server is doing.
func (s *Server) Observe(ctx context.Context) (Observation, error) {
	var o Observation
	err := s.use(ctx, func(conn *pgx.Conn) error {
		var inserted, flushed, received, replayed *string
		var microseconds int64
		sensitive := make([]int64, len(postgres.StandbySensitive))
		targets := []any{
			&o.InRecovery, &o.Receiver, &o.Exhausted, &o.Timeline, &o.ControlTimeline, &inserted, &flushed, &received, &replayed,
			&o.Streaming, &o.ReceivedTimeline, &o.HeardAt, &microseconds, &o.Blocked, &o.Awaits, &o.Startup, &o.Paused,
		}
		for i := range sensitive {
			targets = append(targets, &sensitive[i])
		}
		both := &pgx.Batch{} // in one round trip: at rest, most of what a look costs is to wait for an answer
		both.Queue(observe)
		both.Queue(observeReplicas)
		results := conn.SendBatch(ctx, both)
		defer func() { _ = results.Close() }() // an error was told by what it was of
		if err := results.QueryRow().Scan(targets...); err != nil {
			return err
		}
		o.HeardAgo = time.Duration(microseconds) * time.Microsecond
		o.StandbySensitive = map[string]int64{}
		for i, name := range postgres.StandbySensitive { // sorted, as in the query
			o.StandbySensitive[name] = sensitive[i]
		}
		o.Inserted, o.Flushed, o.Received, o.Replayed = location(inserted), location(flushed), location(received), location(replayed)
		rows, err := results.Query()
		if err != nil {
			return err
		}
		o.Replicas, err = replicas(rows)
		return err
	})
	if err != nil {
		return Observation{}, fmt.Errorf("asking postgres what it is doing: %w", err)
	}
	return o, nil
}

func replicas(rows pgx.Rows) ([]Replica, error) {
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Replica, error) {
		var r Replica
		var name, flushed, replayed string
		err := row.Scan(&name, &r.Address, &r.State, &flushed, &replayed, &r.Walsender.PID, &r.Walsender.StartedAt, &r.RepliedAt)
		r.Instance, r.Incarnation, r.Term = member(name)
		r.Flushed, r.Replayed = location(&flushed), location(&replayed)
		return r, err
	})
	members := all[:0]
	for _, replica := range all {
		if replica.Incarnation != "" {
			members = append(members, replica)
		}
	}
	return members, err
}

// termBase writes terms: an instance's name has at most 43 characters and an incarnation 12, which leaves 6 of 63 for it, for two billion terms.
const termBase = 36

// ApplicationName under which a member's walreceiver is known, and counted for commits: in the term in which it has found that it has not diverged. One
// that was cut off may still connect by what it read long ago.
func ApplicationName(instance, incarnation string, term int64) string {
	return instance + "." + incarnation + "." + strconv.FormatInt(term, termBase)
}

// member that has an application_name; an incarnation is "" where that is nobody's of ours.
func member(name string) (instance, incarnation string, term int64) {
	parts := strings.Split(name, ".")
	if len(parts) != 3 {
		return name, "", 0
	}
	term, err := strconv.ParseInt(parts[2], termBase, 64)
	if err != nil {
		return name, "", 0
	}
	return parts[0], parts[1], term
}

// location reads what PostgreSQL printed; NULL is zero.
func location(text *string) postgres.LSN {
	if text == nil {
		return 0
	}
	lsn, err := postgres.ParseLSN(*text)
	if err != nil {
		return 0 // an empty text: not known
	}
	return lsn
}
