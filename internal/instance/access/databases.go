package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

// databases creates the databases that are to exist, and gives them their owners.
func (a *applier) databases(ctx context.Context, desired instanceapi.Access) error {
	for _, database := range desired.Databases {
		if database.Absent {
			continue
		}
		o := databaseObject(database.Name)
		now, exists := a.seen.databases[database.Name]
		if refusal := refuseDatabase(database, now); refusal != "" {
			a.report.add(o, instanceapi.ObjectRefused, refusal)
			continue
		}
		if _, known := a.seen.roles[database.Owner]; database.Owner != "" && !known {
			a.report.add(o, instanceapi.ObjectFailed, fmt.Sprintf("its owner %q does not exist; add that role, or name another owner", database.Owner))
			continue
		}
		statement := databaseStatement(database, now, exists)
		if statement == "" {
			continue
		}
		ok, err := a.run(ctx, a.conn, o, statement)
		if err != nil {
			return err
		}
		if ok && !exists {
			a.seen.databases[database.Name] = observedDatabase{connects: true, owner: database.Owner}
		}
	}
	return nil
}

// refuseDatabase tells why a database is not touched, or "".
func refuseDatabase(database instanceapi.Database, now observedDatabase) string {
	switch {
	case isReservedDatabase(database.Name):
		return "this database belongs to PostgreSQL; take it off spec.databases"
	case now.broken:
		return "a DROP DATABASE of it was interrupted, and PostgreSQL admits nobody to it any more; set ensure: Absent with confirmDataLoss, and ensure: Present when it is gone"
	}
	return ""
}

func isReservedDatabase(name string) bool {
	return slices.Contains([]string{"postgres", "template0", "template1"}, name)
}

// databaseStatement makes a database, or gives it its owner; "" where nothing is to be done. It
// is copied from template0, so that it depends on nothing but the specification, and on nobody's being connected to template1.
func databaseStatement(database instanceapi.Database, now observedDatabase, exists bool) string {
	name, owner := postgres.QuoteIdentifier(database.Name), postgres.QuoteIdentifier(database.Owner)
	switch {
	case !exists && database.Owner == "":
		return "CREATE DATABASE " + name + " TEMPLATE template0"
	case !exists:
		return "CREATE DATABASE " + name + " OWNER " + owner + " TEMPLATE template0"
	case database.Owner != "" && database.Owner != now.owner:
		return "ALTER DATABASE " + name + " OWNER TO " + owner
	}
	return ""
}

// extensions creates the extensions that databases are to have.
func (a *applier) extensions(ctx context.Context, desired instanceapi.Access) error {
	for _, database := range desired.Databases {
		now, exists := a.seen.databases[database.Name]
		if database.Absent || !exists || len(database.Extensions) == 0 || refuseDatabase(database, now) != "" {
			continue
		}
		if err := a.extensionsOf(ctx, database); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) extensionsOf(ctx context.Context, database instanceapi.Database) error {
	o := databaseObject(database.Name)
	conn, err := openSession(ctx, a.connect, database.Name)
	if err != nil {
		return a.failed(ctx, a.conn, o, err)
	}
	defer closeSession(ctx, conn)
	present, err := names(ctx, conn, "SELECT extname FROM pg_extension")
	if err != nil {
		return a.failed(ctx, conn, o, err)
	}
	for _, extension := range database.Extensions {
		if slices.Contains(present, extension) {
			continue
		}
		if err := createExtension(ctx, conn, extension); err != nil {
			if ctx.Err() != nil || conn.IsClosed() {
				return a.failed(ctx, conn, o, err)
			}
			a.report.add(o, instanceapi.ObjectFailed, fmt.Sprintf("extension %s: %s", extension, explainExtension(ctx, conn, extension, err)))
		}
	}
	return nil
}

// createExtension makes an extension with those that it needs, in the schema that its makers chose, else public.
func createExtension(ctx context.Context, conn *pgx.Conn, extension string) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL search_path = public"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "CREATE EXTENSION "+postgres.QuoteIdentifier(extension)+" CASCADE")
		return err
	})
}

// maxNames bounds how many names a message lists.
const maxNames = 60

// explainExtension tells which extensions there are, where the one that is asked for is missing.
func explainExtension(ctx context.Context, conn *pgx.Conn, extension string, err error) string {
	available, listing := names(ctx, conn, "SELECT name FROM pg_available_extensions ORDER BY name")
	var refusal *pgconn.PgError
	if listing != nil || !errors.As(err, &refusal) || slices.Contains(available, extension) {
		return explain(err)
	}
	more := ""
	if len(available) > maxNames {
		available, more = available[:maxNames], ", …"
	}
	return fmt.Sprintf("the image does not have it; use an image that has, or take it off the list. This one has %s%s", strings.Join(available, ", "), more)
}

// names collects one column of texts.
func names(ctx context.Context, conn *pgx.Conn, query string, arguments ...any) ([]string, error) {
	rows, err := conn.Query(ctx, query, arguments...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
