//go:build integration

package facts

import (
	"fmt"
	"testing"

	"github.com/timonier-io/timonier/internal/postgres"
	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

// TestTheEndOfTheWALIsWhereRecoveryComesTo, whatever its last record is, and wherever on a page or in a segment that ends.
func TestTheEndOfTheWALIsWhereRecoveryComesTo(t *testing.T) {
	each(t, func(t *testing.T, programs pgtest.Programs) {
		a := newPrimary(t, programs, map[string]string{"autovacuum": "off"})
		pgtest.Exec(t, a.session(t), "CREATE TABLE x (filling text)")
		for round := range 6 {
			statements := []string{
				// Records of many lengths, longer than a page and longer than a segment among them.
				fmt.Sprintf("INSERT INTO x SELECT string_agg(md5(n::text), '') FROM generate_series(1, %d) n", 1+round*round*1600),
				"SELECT pg_logical_emit_message(true, 'x', repeat('y', " + fmt.Sprint(1+round*1977) + "))",
			}
			if round == 3 {
				statements = append(statements, "SELECT pg_switch_wal()")
			}
			pgtest.Exec(t, a.session(t), statements...)
			if err := a.Kill(); err != nil {
				t.Fatal(err)
			}
			output, err := programs.Run(t.Context(), "pg_controldata", "--pgdata="+a.Data)
			if err != nil {
				t.Fatal(err)
			}
			control, err := postgres.ParseControlData(output)
			if err != nil {
				t.Fatal(err)
			}
			end, err := postgres.WALEnd(t.Context(), programs.Run, a.Data, control)
			if err != nil {
				t.Fatal(err)
			}
			a.boot(t)
			if reached := lsn(t, pgtest.Value[string](t, a.session(t), "SELECT pg_last_wal_replay_lsn()::text")); end != reached {
				t.Errorf("round %d: recovery came to %s, and the WAL was said to end at %s", round, reached, end)
			}
		}
	})
}
