//go:build integration

package facts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

// segmentSize is that of the tests' WAL: small, since each server writes several segments.
const segmentSize = 1 << 20

// templates are the data directories that the tests' primaries begin with, by version: initdb costs more than most tests. Only TestMain writes it.
var templates = map[string]string{}

func TestMain(m *testing.M) {
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (code int, err error) {
	for _, major := range pgtest.Majors {
		programs, err := pgtest.Find(major)
		if err != nil {
			return 0, err
		}
		server, err := pgtest.Start(context.Background(), programs, pgtest.Options{InitdbArguments: []string{
			"--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", fmt.Sprintf("--wal-segsize=%d", segmentSize>>20),
		}})
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, server.Remove()) }()
		if err := server.Stop(); err != nil {
			return 0, err
		}
		templates[major] = server.Data
	}
	return m.Run(), nil
}
