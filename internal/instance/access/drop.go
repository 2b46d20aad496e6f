package access

import (
	"context"
	"fmt"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

// dropDatabases drops databases that are to be absent: those that hold nothing, and those
// whose loss is confirmed by repeating their name.
func (a *applier) dropDatabases(ctx context.Context, desired instanceapi.Access) error {
	for _, database := range desired.Databases {
		now, exists := a.seen.databases[database.Name]
		if !database.Absent || !exists {
			continue
		}
		o := databaseObject(database.Name)
		if isReservedDatabase(database.Name) {
			a.report.add(o, instanceapi.ObjectRefused, "this database belongs to PostgreSQL; take it off spec.databases")
			continue
		}
		statement := "DROP DATABASE " + postgres.QuoteIdentifier(database.Name)
		if database.ConfirmDataLoss == database.Name {
			statement += " WITH (FORCE)"
		} else if refused, err := a.refuseDrop(ctx, o, now); refused || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		ok, err := a.run(ctx, a.conn, o, statement)
		if err != nil {
			return err
		}
		if ok {
			delete(a.seen.databases, database.Name)
		}
	}
	return nil
}

// refuseDrop refuses to drop a database without confirmation when it is in use or holds anything.
//
// Between this look and the DROP a client could still come, make a table and go. Whoever does this to a
// database that is to be absent has a millisecond; a client that stays makes the DROP fail.
func (a *applier) refuseDrop(ctx context.Context, o object, now observedDatabase) (refused bool, err error) {
	confirm := fmt.Sprintf("set confirmDataLoss: %s to drop it nevertheless, or remove what is in it", o.name)
	if now.broken || !now.connects {
		a.report.add(o, instanceapi.ObjectRefused, "PostgreSQL admits nobody to it, so that it cannot be seen whether it holds data; "+confirm)
		return true, nil
	}
	var sessions int
	if err := a.conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND backend_type IN ('client backend', 'walsender')", o.name).Scan(&sessions); err != nil {
		return true, a.failed(ctx, a.conn, o, err)
	}
	held, err := a.contents(ctx, o.name)
	if err != nil {
		return true, a.failed(ctx, a.conn, o, err)
	}
	switch {
	case held.count > 0:
		a.report.add(o, instanceapi.ObjectRefused, fmt.Sprintf("it holds %s; %s", held, confirm))
	case sessions > 0:
		a.report.add(o, instanceapi.ObjectRefused, fmt.Sprintf("%d connections to it are open; end them, or %s", sessions, confirm))
	default:
		return false, nil
	}
	return true, nil
}

// dropRoles drops roles that are to be absent and that own nothing and have no rights.
func (a *applier) dropRoles(ctx context.Context, desired instanceapi.Access) error {
	for _, role := range desired.Roles {
		now, exists := a.seen.roles[role.Name]
		if !role.Absent || !exists {
			continue
		}
		o := roleObject(role.Name)
		if isReserved(role.Name) {
			a.report.add(o, instanceapi.ObjectRefused, "this role belongs to PostgreSQL or Timonier; take it off spec.roles")
			continue
		}
		held, err := a.dependents(ctx, now.oid)
		if err != nil {
			if err := a.failed(ctx, a.conn, o, err); err != nil {
				return err
			}
			continue
		}
		if held.count > 0 {
			quoted := postgres.QuoteIdentifier(role.Name)
			a.report.add(o, instanceapi.ObjectRefused, fmt.Sprintf(
				"it owns, or has rights on, %s; in each of these databases run REASSIGN OWNED BY %s TO another role, then DROP OWNED BY %s, which takes its rights away", held, quoted, quoted))
			continue
		}
		ok, err := a.run(ctx, a.conn, o, "DROP ROLE "+postgres.QuoteIdentifier(role.Name))
		if err != nil {
			return err
		}
		if ok {
			delete(a.seen.roles, role.Name)
		}
	}
	return nil
}
