package workload

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Outcome is what a client knows of a write.
type Outcome int

// Outcomes of a write.
const (
	// Unknown: it was sent, and no answer says whether it is committed.
	Unknown Outcome = iota
	// Acknowledged: the server said that it is committed. It must never be missing.
	Acknowledged
	// Refused: it is certain that it is not committed. It must never be there.
	Refused
)

func (o Outcome) String() string {
	switch o {
	case Acknowledged:
		return "acknowledged"
	case Refused:
		return "refused"
	default:
		return "unknown"
	}
}

// uncommittedError is an error of a transaction whose COMMIT was not sent: it can never be committed.
type uncommittedError struct{ error }

func (e uncommittedError) Unwrap() error { return e.error }

// errWarned stands in for the warning with which the server acknowledges what it does not stand for.
var errWarned = errors.New("the commit was reported with a warning")

// conclude what became of a write from the error of its last step, nil for none, and from the warning that came
// meanwhile, nil for none. A warning makes it unknown whatever it says, as its text depends on the server's language:
// these writes give no other reason for one than a wait for standbys that was cancelled.
func conclude(err error, warning *pgconn.Notice) Outcome {
	var uncommitted uncommittedError
	var server *pgconn.PgError
	switch {
	case errors.As(err, &uncommitted):
		return Refused
	case warning != nil:
		return Unknown
	case err == nil:
		return Acknowledged
	case errors.Is(err, pgx.ErrTxCommitRollback):
		return Refused
	case errors.As(err, &server):
		return concludeFrom(server)
	}
	// Not even pgconn.SafeToRetry: with the simple protocol, it calls a COMMIT unsent whose answer was cut off
	// (pgx 5.12 forgets the error that closed the connection, and then finds it closed).
	return Unknown
}

// concludeFrom an error of the server. One that ends the session may have come after the commit; so may those that a
// server sends which goes down (57P01 to 57P05), whatever they say of themselves.
func concludeFrom(err *pgconn.PgError) Outcome {
	switch {
	case err.SeverityUnlocalized != "ERROR", strings.HasPrefix(err.Code, "57P0"), err.Code == "40003":
		return Unknown
	}
	return Refused
}
