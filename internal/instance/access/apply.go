package access

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

// Connect opens a connection to a database as superuser. Apply closes it.
type Connect func(ctx context.Context, database string) (*pgx.Conn, error)

// Apply makes roles and databases be as desired, and reports those that are not, or that
// deserve attention; sorted by name. Called again with the same, it writes nothing.
//
// One object's error is in the report and does not stop the others. The error is for what
// concerns all of them: no connection, or a context that ended; the report is then incomplete.
func Apply(ctx context.Context, connect Connect, desired instanceapi.Access) (instanceapi.AccessReport, error) {
	return instanceapi.AccessReport{}, nil
}
