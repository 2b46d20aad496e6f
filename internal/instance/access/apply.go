package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

// Connect opens a connection to a database as superuser. Apply closes it.
type Connect func(ctx context.Context, database string) (*pgx.Conn, error)

// homeDatabase is where shared objects are looked at, and where Timonier keeps its marks.
const homeDatabase = "postgres"

// Apply makes roles and databases be as desired, and reports those that are not, or that
// deserve attention; sorted by name. Called again with the same, it writes nothing.
//
// One object's error is in the report and does not stop the others. The error is for what
// concerns all of them: no connection, or a context that ended; the report is then incomplete.
//
// Roles come first, since memberships and owners name them; databases are dropped before the roles that own them.
func Apply(ctx context.Context, connect Connect, desired instanceapi.Access) (instanceapi.AccessReport, error) {
	conn, err := openSession(ctx, connect, homeDatabase)
	if err != nil {
		return instanceapi.AccessReport{}, err
	}
	defer closeSession(ctx, conn)
	if err := lock(ctx, conn); err != nil {
		return instanceapi.AccessReport{}, err
	}
	seen, err := observe(ctx, conn)
	if err != nil {
		return instanceapi.AccessReport{}, err
	}
	a := &applier{connect: connect, conn: conn, seen: seen}
	steps := []func(context.Context, instanceapi.Access) error{
		a.roles, a.memberships, a.databases, a.extensions, a.dropDatabases, a.dropRoles, a.marks,
	}
	for _, step := range steps {
		if err := step(ctx, desired); err != nil {
			return a.report.result(), err
		}
	}
	return a.report.result(), nil
}

// applier carries what one Apply has seen and done.
type applier struct {
	connect Connect
	// conn is to homeDatabase.
	conn *pgx.Conn
	// seen is the state before; roles and databases that a step makes or drops are kept up to date in it.
	seen   observed
	report reporter
}

// run runs statements for one object. What PostgreSQL refuses goes to the report, and ok is false;
// an error is a connection that is gone, with which nothing else can be done.
func (a *applier) run(ctx context.Context, conn *pgx.Conn, o object, statements ...string) (ok bool, err error) {
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return false, a.failed(ctx, conn, o, err)
		}
	}
	return true, nil
}

// failed reports an error of one object; it returns an error where it is one of all.
func (a *applier) failed(ctx context.Context, conn *pgx.Conn, o object, err error) error {
	if ctx.Err() != nil || conn.IsClosed() {
		return fmt.Errorf("%s: %w", o, errors.Join(withoutStatement(err), ctx.Err()))
	}
	a.report.add(o, instanceapi.ObjectFailed, explain(err))
	return nil
}
