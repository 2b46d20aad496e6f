package workload

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// unsentError is what pgx makes of a COMMIT that was sent, and whose answer was cut off.
type unsentError struct{ error }

func (unsentError) SafeToRetry() bool { return true }

func TestWhatAClientMayConcludeFromAnAnswer(t *testing.T) {
	server := func(severity, code string) error {
		return &pgconn.PgError{Severity: severity, SeverityUnlocalized: severity, Code: code}
	}
	cancelled := &pgconn.Notice{Severity: "WARNING", SeverityUnlocalized: "WARNING", Code: "01000",
		Message: "canceling wait for synchronous replication due to user request"}
	for what, test := range map[string]struct {
		err     error
		warning *pgconn.Notice
		want    Outcome
	}{
		"no error":                             {nil, nil, Acknowledged},
		"done, but the wait was cancelled":     {nil, cancelled, Unknown},
		"a read-only server":                   {server("ERROR", "25006"), nil, Refused},
		"an error at the commit itself":        {server("ERROR", "40001"), nil, Refused},
		"a statement that was cancelled":       {server("ERROR", "57014"), nil, Refused},
		"a server that is shut down":           {server("FATAL", "57P01"), nil, Unknown},
		"a server that calls it a mere error":  {server("ERROR", "57P01"), nil, Unknown},
		"another process crashed":              {server("WARNING", "57P02"), nil, Unknown},
		"a server that panics":                 {server("PANIC", "XX000"), nil, Unknown},
		"a commit of unknown fate":             {server("ERROR", "40003"), nil, Unknown},
		"a commit that became a rollback":      {pgx.ErrTxCommitRollback, nil, Refused},
		"a COMMIT that is said to be unsent":   {unsentError{errors.New("conn closed")}, nil, Unknown},
		"a connection that broke":              {errors.New("unexpected EOF"), nil, Unknown},
		"no answer in time":                    {context.DeadlineExceeded, nil, Unknown},
		"no answer to what precedes COMMIT":    {uncommittedError{context.DeadlineExceeded}, nil, Refused},
		"the server goes down before a COMMIT": {uncommittedError{server("FATAL", "57P01")}, nil, Refused},
	} {
		if got := conclude(test.err, test.warning); got != test.want {
			t.Errorf("%s: %s, not %s", what, got, test.want)
		}
	}
}
