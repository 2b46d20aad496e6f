package access

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

// Which objects were listed once is kept in PostgreSQL itself, beside the objects: so it survives
// what they survive, a restored backup included, and no comment or setting of a user's object is taken for it.
const (
	managedExists = "SELECT to_regclass('timonier.managed') IS NOT NULL"
	managedCreate = `CREATE SCHEMA IF NOT EXISTS timonier;
		CREATE TABLE timonier.managed (kind text NOT NULL, name text NOT NULL, PRIMARY KEY (kind, name));
		COMMENT ON TABLE timonier.managed IS 'Roles and databases that the specification of this cluster has listed. Written by Timonier.'`
	managedAdd    = "INSERT INTO timonier.managed (kind, name) VALUES ($1, $2) ON CONFLICT DO NOTHING"
	managedRemove = "DELETE FROM timonier.managed WHERE kind = $1 AND name = $2"
)

func (o *observed) readManaged(ctx context.Context, conn *pgx.Conn) error {
	var exists bool
	if err := conn.QueryRow(ctx, managedExists).Scan(&exists); err != nil || !exists {
		return err
	}
	o.managed = map[object]bool{}
	rows, err := conn.Query(ctx, "SELECT kind, name FROM timonier.managed")
	if err != nil {
		return err
	}
	var m object
	_, err = pgx.ForEachRow(rows, []any{&m.kind, &m.name}, func() error {
		o.managed[m] = true
		return nil
	})
	return err
}

// marks remembers what is listed, forgets what is gone, and reports what exists and is not listed any more.
func (a *applier) marks(ctx context.Context, desired instanceapi.Access) error {
	listed := map[object]bool{}
	for _, role := range desired.Roles {
		listed[roleObject(role.Name)] = !isReserved(role.Name)
	}
	for _, database := range desired.Databases {
		listed[databaseObject(database.Name)] = !isReservedDatabase(database.Name)
	}
	for o, own := range listed {
		if own && a.exists(o) && !a.seen.managed[o] {
			if err := a.mark(ctx, managedAdd, o); err != nil {
				return err
			}
		}
	}
	for o := range a.seen.managed {
		_, isListed := listed[o]
		switch {
		case !a.exists(o):
			if err := a.mark(ctx, managedRemove, o); err != nil {
				return err
			}
		case !isListed:
			a.report.add(o, instanceapi.ObjectUnlisted, "it is not listed any more and was left as it is; list it with ensure: Absent to drop it, or list it again to keep it managed")
		}
	}
	return nil
}

// exists tells whether an object exists after the steps so far.
func (a *applier) exists(o object) bool {
	var exists bool
	switch o.kind {
	case kindRole:
		_, exists = a.seen.roles[o.name]
	case kindDatabase:
		_, exists = a.seen.databases[o.name]
	}
	return exists
}

func (a *applier) mark(ctx context.Context, statement string, o object) error {
	if a.seen.managed == nil {
		if _, err := a.conn.Exec(ctx, managedCreate); err != nil {
			return fmt.Errorf("creating the table of listed roles and databases in database %s: %w", homeDatabase, err)
		}
		a.seen.managed = map[object]bool{}
	}
	if _, err := a.conn.Exec(ctx, statement, string(o.kind), o.name); err != nil {
		return fmt.Errorf("remembering that %s is listed, in database %s: %w", o, homeDatabase, err)
	}
	return nil
}
