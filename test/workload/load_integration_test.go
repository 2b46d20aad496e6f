//go:build integration

package workload

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

// startLoad starts a server, and a load on it.
func startLoad(t *testing.T, programs pgtest.Programs, edit func(*Options)) (*pgtest.Server, *Load) {
	t.Helper()
	server := pgtest.Run(t, programs, pgtest.Options{})
	config, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	config.Host, config.Port, config.User, config.Database = server.Socket, uint16(server.Port), "postgres", "postgres"
	options := Defaults()
	if edit != nil {
		edit(&options)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	load, err := Start(ctx, config, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(load.Stop)
	return server, load
}

// eventually polls until check returns nil.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	for begin := time.Now(); ; {
		err := check()
		if err == nil {
			return
		}
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("%s: %v", what, err)
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("%s: %v", what, err)
		case <-time.After(20 * time.Millisecond): // the pace of polling
		}
	}
}

func mustHold(t *testing.T, load *Load) {
	t.Helper()
	verdict, err := load.Verify(t.Context(), Concession{})
	if err != nil {
		t.Fatal(err)
	}
	if err := verdict.Err(); err != nil {
		t.Error(err)
	}
	figures := load.Figures()
	for kind, counts := range map[string]Counts{"meter": figures.Meter, "appenders": figures.Appenders, "registers": figures.Registers} {
		if counts.Acknowledged == 0 {
			t.Errorf("of the %s nothing was acknowledged", kind)
		}
	}
	t.Logf("%+v", figures)
}

func TestALoadGoesOnAfterARestartAndNothingIsMissing(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		// No write may fail before the server is stopped, and a busy machine may take longer for one than clients usually wait.
		server, load := startLoad(t, programs, func(o *Options) { o.ConnectWithin, o.AnswerWithin = 30*time.Second, 30*time.Second })
		before := load.Now()
		if load.FailedSince(0) {
			t.Error("writes failed before anything was done")
		}
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
		down := load.Now()
		eventually(t, "clients see that the server is gone", func() error {
			if !load.FailedSince(down) {
				return errors.New("none had an error since then")
			}
			return nil
		})
		up := load.Now()
		if err := server.Boot(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "writes are steady again", func() error {
			if load.SteadyFor(500*time.Millisecond, before) < 500*time.Millisecond {
				return errors.New("not yet")
			}
			return nil
		})
		gap := load.Longest(before)
		if gap.Open || gap.Length() < up-down || gap.From > down || gap.To < up {
			t.Errorf("the server was down from %s to %s, and the gap is %+v", down, up, gap)
		}
		mustHold(t, load)
		if figures := load.Figures(); figures.Errors() == 0 {
			t.Error("a restart without an error")
		}
	})
}

func TestACommitWhoseWaitForStandbysIsCancelledIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		server, load := startLoad(t, programs, func(o *Options) { o.AnswerWithin = time.Minute })
		admin := server.Conn(t, "postgres", "postgres")
		pgtest.Exec(t, admin, "SET synchronous_commit = local", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
		// Of those that meet at one key, the first holds its lock while it waits.
		clients := 1 + load.options.Appenders + min(load.options.Registers, load.options.KeysAtOnce)
		eventually(t, "every client waits for a standby that is not there", func() error {
			if waiting := pgtest.Value[int](t, admin, "SELECT count(*)::int FROM pg_stat_activity WHERE wait_event = 'SyncRep'"); waiting < clients {
				return errors.New("not yet")
			}
			return nil
		})
		before := load.Figures()
		// Of each kind half are cancelled, half are ended: by their pids alone, no appender may be among the cancelled.
		pgtest.Exec(t, admin, `SELECT CASE row_number() OVER (PARTITION BY application_name ORDER BY pid) % 2
			WHEN 0 THEN pg_cancel_backend(pid) ELSE pg_terminate_backend(pid) END FROM pg_stat_activity WHERE application_name LIKE 'workload-%'`)
		eventually(t, "all of them are told", func() error {
			if load.Figures().Errors() < before.Errors()+clients {
				return fmt.Errorf("%d of %d: %+v", load.Figures().Errors()-before.Errors(), clients, load.Figures())
			}
			return nil
		})
		// Not sooner: a wait that is over is acknowledged, whatever was asked of it meanwhile.
		pgtest.Exec(t, admin, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
		mustHold(t, load)
		figures := load.Figures()
		if unknown := figures.Meter.Unknown + figures.Appenders.Unknown + figures.Registers.Unknown; unknown < clients {
			t.Errorf("%d writes of unknown fate, where %d were cut off: %+v", unknown, clients, figures)
		}
		if reasons := fmt.Sprint(figures.Appenders.Reasons); !strings.Contains(reasons, errWarned.Error()) {
			t.Errorf("no appender was warned: %s", reasons)
		}
	})
}

func TestWhatIsLostIsFound(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		server, load := startLoad(t, programs, nil)
		load.Stop()
		admin := server.Conn(t, "postgres", "postgres")
		pgtest.Exec(t, admin, "DELETE FROM load_beats WHERE sequence = 3", "DELETE FROM load_rows WHERE worker = 2 AND sequence BETWEEN 4 AND 5",
			"UPDATE load_registers SET value = previous WHERE key = 1", "DELETE FROM load_registers WHERE key = 2")
		verdict, err := load.Verify(t.Context(), Concession{})
		if err != nil {
			t.Fatal(err)
		}
		if len(verdict.LostBeats) != 1 || len(verdict.LostRows) != 2 || len(verdict.Illegal) != 2 || verdict.Lost() != 5 {
			t.Errorf("one beat, two rows and two keys were spoilt, and the verdict is %+v", verdict)
		}
	})
}

func TestWhatIsThereAtTheEndIsAskedOfNobodyWhoTakesNoWrites(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		server, load := startLoad(t, programs, nil)
		load.Stop()
		admin := server.Conn(t, "postgres", "postgres")
		pgtest.Exec(t, admin, "SET default_transaction_read_only = off", "ALTER SYSTEM SET log_connections = on",
			"ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
		eventually(t, "whoever comes finds that nothing can be written", func() error {
			if pgtest.Value[string](t, server.Conn(t, "postgres", "postgres"), "SHOW transaction_read_only") != "on" {
				return errors.New("not yet")
			}
			return nil
		})
		asked := make(chan error, 1)
		go func() {
			verdict, err := load.Verify(t.Context(), Concession{})
			asked <- errors.Join(err, verdict.Err())
		}()
		eventually(t, "it comes again, where it was not served", func() error {
			if strings.Count(server.Log(), "application_name=workload-verify") < 2 {
				return errors.New("not yet")
			}
			return nil
		})
		pgtest.Exec(t, admin, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
		if err := <-asked; err != nil {
			t.Error(err)
		}
	})
}

func TestWhatAClientBesideHadAcknowledgedIsLookedForAndCountsInNoFigure(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		server, load := startLoad(t, programs, func(o *Options) { o.Appenders, o.Registers = 0, 0 })
		if err := load.Beside(t.Context(), load.config); err != nil {
			t.Fatal(err)
		}
		load.Stop()
		admin := server.Conn(t, "postgres", "postgres")
		pgtest.Exec(t, admin, "DELETE FROM load_rows WHERE sequence = 1")
		verdict, err := load.Verify(t.Context(), Concession{})
		if err != nil {
			t.Fatal(err)
		}
		if len(verdict.LostRows) != 1 || verdict.Lost() != 1 || load.Figures().Appenders.Acknowledged != 0 {
			t.Errorf("its first row was deleted; the verdict is %+v, and the figures are %+v", verdict, load.Figures())
		}
		if verdict, err = load.Verify(t.Context(), Concession{To: load.Now()}); err != nil || verdict.Err() != nil || len(verdict.Conceded) != 1 {
			t.Errorf("its first row may be missing; the verdict is %+v (%v)", verdict, err)
		}
	})
}
