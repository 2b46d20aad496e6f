package server

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
)

// Observation of a running server.
type Observation struct {
	InRecovery bool
	// Timeline that it writes, or has replayed a checkpoint of.
	Timeline int64
	// Inserted is the end of the WAL of a primary.
	Inserted postgres.LSN
	// Received and Replayed on a standby; Received is zero where no walreceiver ran yet.
	Received, Replayed postgres.LSN
	// Receiver is the PID of the walreceiver, 0 for none, also of one that still connects (pg_stat_wal_receiver
	// does not show it, and what it then received would count); Streaming that it streams.
	Receiver  int
	Streaming bool
	// Exhausted: the startup process has replayed all there is and waits until it may try to get more.
	Exhausted bool
	// StandbySensitive are the values in force.
	StandbySensitive map[string]int64
	Replicas         []Replica
}

// Replica is a walsender's other end.
type Replica struct {
	// Instance and Incarnation, from its application_name.
	Instance, Incarnation string
	Address               string
	State                 string
	Flushed, Replayed     postgres.LSN
}

// Streaming tells that it has caught up enough to stream.
func (r Replica) Streaming() bool { return r.State == "streaming" }

// The timeline of a primary is the one that it writes, read off a file name; a standby's is that of the last
// checkpoint or of the minimum recovery point, whichever is later: names of files that it received say nothing.
const observe = `
SELECT pg_is_in_recovery(),
       CASE WHEN pg_is_in_recovery()
            THEN greatest(c.timeline_id, r.min_recovery_end_timeline)
            ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint END,
       CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_insert_lsn() END::text,
       pg_last_wal_receive_lsn()::text,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END::text,
       coalesce((SELECT max(pid) FROM pg_stat_activity WHERE backend_type = 'walreceiver'), 0),
       coalesce((SELECT status = 'streaming' FROM pg_stat_wal_receiver), false),
       coalesce((SELECT wait_event = 'RecoveryRetrieveRetryInterval' FROM pg_stat_activity WHERE backend_type = 'startup'), false),
       current_setting('max_connections')::bigint, current_setting('max_locks_per_transaction')::bigint,
       current_setting('max_prepared_transactions')::bigint, current_setting('max_wal_senders')::bigint,
       current_setting('max_worker_processes')::bigint
FROM pg_control_checkpoint() c, pg_control_recovery() r`

// A clone's connections carry another name, so they are not taken for members.
const observeReplicas = `
SELECT application_name, coalesce(host(client_addr), ''), coalesce(state, ''), coalesce(flush_lsn::text, ''), coalesce(replay_lsn::text, '')
FROM pg_stat_replication WHERE usename = '` + naming.ReplicationRole + `' ORDER BY application_name`

// Observe asks what the server is doing.
func (s *Server) Observe(ctx context.Context) (Observation, error) {
	var o Observation
	err := s.use(ctx, func(conn *pgx.Conn) error {
		var inserted, received, replayed *string
		sensitive := make([]int64, len(postgres.StandbySensitive))
		targets := []any{&o.InRecovery, &o.Timeline, &inserted, &received, &replayed, &o.Receiver, &o.Streaming, &o.Exhausted}
		for i := range sensitive {
			targets = append(targets, &sensitive[i])
		}
		if err := conn.QueryRow(ctx, observe).Scan(targets...); err != nil {
			return err
		}
		o.StandbySensitive = map[string]int64{}
		for i, name := range postgres.StandbySensitive { // sorted, as in the query
			o.StandbySensitive[name] = sensitive[i]
		}
		o.Inserted, o.Received, o.Replayed = location(inserted), location(received), location(replayed)
		var err error
		o.Replicas, err = replicas(ctx, conn)
		return err
	})
	if err != nil {
		return Observation{}, fmt.Errorf("asking postgres what it is doing: %w", err)
	}
	return o, nil
}

func replicas(ctx context.Context, conn *pgx.Conn) ([]Replica, error) {
	rows, err := conn.Query(ctx, observeReplicas)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Replica, error) {
		var r Replica
		var name, flushed, replayed string
		err := row.Scan(&name, &r.Address, &r.State, &flushed, &replayed)
		r.Instance, r.Incarnation, _ = strings.Cut(name, ".")
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

// ApplicationName under which a member's walreceiver is known. An incarnation has 16 characters and an instance's name at most 43.
func ApplicationName(instance, incarnation string) string { return instance + "." + incarnation }

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
