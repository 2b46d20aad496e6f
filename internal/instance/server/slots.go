package server

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
)

// Slot is a replication slot of a member.
type Slot struct {
	Name   string
	Active bool
	// RestartAt is where the WAL begins that it keeps; zero where it keeps none.
	RestartAt postgres.LSN
	// Lost: the WAL that it was to keep is gone, for it exceeded max_slot_wal_keep_size.
	Lost bool
}

// Slots of members, by name. Those that others made are not among them.
func (s *Server) Slots(ctx context.Context) (map[string]Slot, error) {
	slots := map[string]Slot{}
	err := s.use(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT slot_name, active, coalesce(restart_lsn::text, ''), coalesce(wal_status, '') = 'lost'
			FROM pg_replication_slots WHERE slot_type = 'physical' AND starts_with(slot_name, $1)`, naming.Slot(""))
		if err != nil {
			return err
		}
		var slot Slot
		var at string
		_, err = pgx.ForEachRow(rows, []any{&slot.Name, &slot.Active, &at, &slot.Lost}, func() error {
			slot.RestartAt = location(&at)
			slots[slot.Name] = slot
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the replication slots: %w", err)
	}
	return slots, nil
}

// CreateSlot makes a physical slot that keeps WAL from now on.
func (s *Server) CreateSlot(ctx context.Context, name string) error {
	if err := s.call(ctx, "SELECT pg_create_physical_replication_slot($1, true)", name); err != nil {
		return fmt.Errorf("creating replication slot %s: %w", name, err)
	}
	return nil
}

// DropSlot removes a slot that nobody uses.
func (s *Server) DropSlot(ctx context.Context, name string) error {
	if err := s.call(ctx, "SELECT pg_drop_replication_slot($1)", name); err != nil {
		return fmt.Errorf("dropping replication slot %s: %w", name, err)
	}
	return nil
}

// AdvanceSlot moves a slot forward, so that it keeps no more WAL than its member needs. It works in recovery too, where nothing else moves it.
func (s *Server) AdvanceSlot(ctx context.Context, name string, to postgres.LSN) error {
	if err := s.call(ctx, "SELECT pg_replication_slot_advance($1, $2::text::pg_lsn)", name, to.String()); err != nil {
		return fmt.Errorf("advancing replication slot %s: %w", name, err)
	}
	return nil
}

func (s *Server) call(ctx context.Context, query string, arguments ...any) error {
	return s.use(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, query, arguments...)
		return err
	})
}
