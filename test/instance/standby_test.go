//go:build integration

package instance

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/timonier-io/timonier/internal/instance/server"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
	"github.com/timonier-io/timonier/internal/postgres"
)

// replicate connects for replication as an instance would, under a name and with further options of the session.
func (p *pod) replicate(applicationName, options string) *pgconn.PgConn {
	w := p.w
	w.t.Helper()
	config, err := pgconn.ParseConfig(fmt.Sprintf("host=%s port=%d user=%s connect_timeout=3", w.address(p.ordinal), naming.PortPostgres, naming.ReplicationRole))
	w.check(err)
	certificates := filepath.Join(w.directory, "certificates")
	certificate, err := tls.LoadX509KeyPair(filepath.Join(certificates, pki.FileReplication), filepath.Join(certificates, pki.FileReplicationKey))
	w.check(err)
	roots := x509.NewCertPool()
	roots.AddCert(w.clients.Certificate)
	config.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: roots, MinVersion: tls.VersionTLS12,
		ServerName: naming.LeaderHost(clusterName, w.namespace)}
	config.Fallbacks = nil
	config.RuntimeParams = map[string]string{"replication": "true", "application_name": applicationName, "options": options}
	connection, err := pgconn.ConnectConfig(w.ctx, config)
	w.check(err)
	w.t.Cleanup(func() { _ = connection.Close(w.t.Context()) }) // it may have been ended
	return connection
}

// stream begins to stream from where the leader is, and tells nothing of what comes.
func (w *world) stream(connection *pgconn.PgConn, slot string) {
	w.t.Helper()
	system, err := connection.Exec(w.ctx, "IDENTIFY_SYSTEM").ReadAll()
	w.check(err)
	connection.Frontend().Send(&pgproto3.Query{String: fmt.Sprintf("START_REPLICATION SLOT %s PHYSICAL %s", slot, system[0].Rows[0][2])})
	w.check(connection.Frontend().Flush())
	for {
		message, err := connection.ReceiveMessage(w.ctx)
		w.check(err)
		switch answer := message.(type) {
		case *pgproto3.CopyBothResponse:
			return
		case *pgproto3.ErrorResponse:
			w.t.Fatalf("it does not stream: %s", answer.Message)
		}
	}
}

func TestAConnectionThatAStandbyHasLeftIsEndedOnceItIsBack(t *testing.T) {
	w := cluster(t, 2)
	incarnation := w.pods[2].answers().Volume.Incarnation
	w.pods[2].terminate()
	// What is left where its node vanished: nobody replies, and nobody ends it. PostgreSQL would after wal_sender_timeout.
	left := w.pods[1].replicate(server.ApplicationName("shop-2", incarnation, w.record().Term), "-c wal_sender_timeout=0")
	w.stream(left, naming.Slot("shop-2"))
	w.pods[2].run()
	w.pods[2].becomes(instanceapi.StateStreaming)
	w.pods[1].logs("ended the connection that a standby has left")
	w.pods[1].must("INSERT INTO notes VALUES ('second')")
	w.pods[2].reads(notes, "first second")
}

// startup is the process that replays.
func (p *pod) startup() int { return p.process("startup") }

// process of the server that does this, as this machine sees it; 0 where there is none.
func (p *pod) process(does string) int {
	if all := p.processes(does); len(all) > 0 {
		return all[0]
	}
	return 0
}

func (p *pod) processes(does string) (all []int) {
	for postmaster := range supervisor.ChildrenOf(p.container.Process.Pid) {
		for pid, shown := range supervisor.ChildrenOf(postmaster) {
			if strings.HasPrefix(shown, "postgres: ") && strings.Contains(shown, ": "+does) {
				all = append(all, pid)
			}
		}
	}
	return all
}

func TestAStandbyWhoseReplayDoesNothingIsRestarted(t *testing.T) {
	w := cluster(t, 2)
	standby := w.pods[2]
	w.eventually("commits wait for it", func() bool { return w.record().Quorum.Required == 2 })
	startup := standby.startup()
	w.check(syscall.Kill(startup, syscall.SIGSTOP)) // to its manager it hangs in a record
	w.pods[1].must("INSERT INTO notes VALUES ('second')")
	standby.reads(notes, "first second")
	standby.logs("replay does nothing although there is WAL; restarting postgres")
	if now := standby.startup(); now == startup {
		t.Error("it is the process that was stopped")
	}
}

// doesNotReach PostgreSQL of another one until reaches is called. Heartbeats go on.
func (p *pod) doesNotReach(other *pod) (reaches func()) {
	p.w.t.Helper()
	rule := fmt.Sprintf("to %s ipproto tcp dport %d blackhole", p.w.address(other.ordinal), naming.PortPostgres)
	p.w.check(shell("ip -n " + p.network() + " rule add " + rule))
	return func() {
		p.w.t.Helper()
		p.w.check(shell("ip -n " + p.network() + " rule delete " + rule))
	}
}

// What it is given here is what it would have fetched of a leader that won and died before anything else came.
func TestAStandbyThatSettledOnADeadLeadersTimelineIsRestartedAndFollows(t *testing.T) {
	for _, major := range []string{"17", "15"} {
		t.Run("PostgreSQL "+major, func(t *testing.T) {
			w := cluster(t, 2, ofMajor(major))
			leader, standby := w.pods[1], w.pods[2]
			reaches := standby.doesNotReach(leader)
			w.check(syscall.Kill(standby.process("walreceiver"), syscall.SIGTERM))
			end := ""
			w.eventually("it has replayed all it has", func() bool {
				end, _ = standby.query("SELECT pg_last_wal_replay_lsn()::text WHERE pg_last_wal_replay_lsn() = pg_last_wal_receive_lsn()")
				return end != ""
			})
			history := filepath.Join(standby.directory, "data/pgdata/pg_wal", postgres.HistoryFileName(w.record().Timeline+1))
			w.check(os.WriteFile(history, []byte("1\t"+end+"\tno recovery target specified\n"), 0o644))
			standby.logs("new target timeline is 2")
			reaches()
			standby.logs("it does not stream though its leader serves; restarting postgres")
			leader.must("INSERT INTO notes VALUES ('second')")
			standby.becomes(instanceapi.StateStreaming)
			standby.reads(notes, "first second")
			if _, err := os.Stat(history); !os.IsNotExist(err) {
				t.Errorf("the history is still there: %v", err)
			}
		})
	}
}

func TestAStandbyThatGetsNoWALThoughItsLeaderServesCountsAsNotReady(t *testing.T) {
	w := cluster(t, 2)
	standby := w.pods[2]
	ready := func() int { return standby.probe("/readyz") }
	w.eventually("it is ready", func() bool { return ready() == http.StatusOK })
	reaches := standby.doesNotReach(w.pods[1])
	w.eventually("it is not ready", func() bool { return ready() == http.StatusServiceUnavailable })
	standby.reads(notes, "first") // whoever asks it is served
	reaches()
	w.eventually("it is ready again", func() bool { return ready() == http.StatusOK })
	standby.becomes(instanceapi.StateStreaming)
}

func TestAStandbyThatHangsBeforeItFollowsCountsAsNotReady(t *testing.T) {
	w := synchronous(t, 2)
	leader := w.named(w.record().Holder)
	standby := w.other(leader)
	// What it has and did not replay keeps it busy for a while when it starts again, behind the point from which on it serves.
	fill := "CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 100000); DROP TABLE filler"
	startup := 0
	for tried := 1; startup == 0; tried++ {
		w.check(standby.superuser("SELECT pg_wal_replay_pause()"))
		w.check(leader.superuser(fill, fill)) // each waits until the standby has it
		standby.kill()
		standby.run()
		w.eventually("it serves, and replays", func() bool { return standby.probe("/readyz") == http.StatusOK })
		startup = standby.startup()
		w.check(syscall.Kill(startup, syscall.SIGSTOP))
		if standby.answers().State == instanceapi.StateStreaming { // it was faster
			w.check(syscall.Kill(startup, syscall.SIGCONT))
			if startup = 0; tried == 3 {
				t.Fatalf("it followed already, %d times", tried)
			}
			w.eventually("commits wait for it again", func() bool { return w.record().Quorum.Required == 2 })
		}
	}
	w.eventually("it is not ready", func() bool { return standby.probe("/readyz") == http.StatusServiceUnavailable })
	w.check(syscall.Kill(startup, syscall.SIGCONT))
	w.eventually("it is ready again", func() bool { return standby.probe("/readyz") == http.StatusOK })
	standby.becomes(instanceapi.StateStreaming)
}
