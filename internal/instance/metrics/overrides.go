package metrics

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

// overrides of synchronous_commit. on and remote_apply keep the promise that an acknowledged commit survives; everything else gives it up. A standby has the
// same settings, so the primary alone tells of them.
const overrides = `
	SELECT coalesce(d.datname, '')::text AS database, coalesce(pg_get_userbyid(nullif(s.setrole, 0)), '')::text AS role, c.value
	FROM pg_db_role_setting s
	LEFT JOIN pg_database d ON d.oid = s.setdatabase
	CROSS JOIN unnest(s.setconfig) AS e (entry)
	CROSS JOIN LATERAL (SELECT lower(split_part(e.entry, '=', 2))) AS c (value)
	WHERE NOT pg_is_in_recovery() AND split_part(e.entry, '=', 1) = 'synchronous_commit' AND c.value NOT IN ('on', 'remote_apply', 'true', 'yes', '1')`

const listedOverrides = `SELECT o.*, count(*) OVER () FROM (` + overrides + `) o ORDER BY 1, 2 LIMIT $1`

// SynchronousCommitOverrides asks for them now, over the connection that metrics use: a lock on the catalogue holds up nobody else.
func (h *Handler) SynchronousCommitOverrides(ctx context.Context) (instanceapi.SynchronousCommitOverrides, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	ctx, cancel := context.WithTimeout(ctx, h.options.Timeout)
	defer cancel()
	found := instanceapi.SynchronousCommitOverrides{}
	if err := h.open(ctx); err != nil {
		return found, err
	}
	rows, err := h.conn.Query(ctx, listedOverrides, instanceapi.MaxOverrides)
	if err == nil {
		found.Listed, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (one instanceapi.SynchronousCommitOverride, err error) {
			return one, row.Scan(&one.Database, &one.Role, &one.Value, &found.Total)
		})
	}
	if err != nil {
		if h.conn.IsClosed() {
			h.close()
		}
		return instanceapi.SynchronousCommitOverrides{}, fmt.Errorf("looking for roles and databases with a lowered synchronous_commit: %w", err)
	}
	return found, nil
}
