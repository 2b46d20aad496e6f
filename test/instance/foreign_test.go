//go:build integration

package instance

import (
	"fmt"
	"maps"
	"strconv"
	"testing"

	"github.com/timonier-io/timonier/internal/instance/server"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// receives streams the WAL of an instance to a pg_receivewal in its own pod, which says at once what it has flushed: a standby as far as PostgreSQL can tell,
// of any name.
func (p *pod) receives(applicationName string) {
	p.w.t.Helper()
	const tls = "/run/timonier/tls/"
	address := fmt.Sprintf("host=%s hostaddr=%s port=%d user=%s application_name=%s sslmode=verify-full "+
		"sslrootcert=%sclient-ca.crt sslcert=%sreplication.crt sslkey=%sreplication.key",
		naming.LeaderHost(clusterName, p.w.namespace), p.w.address(p.ordinal), naming.PortPostgres, naming.ReplicationRole, applicationName, tls, tls, tls)
	directory := "/tmp/received-" + applicationName
	p.w.check(p.inside("mkdir", directory))
	cmd := p.enter(p.program("pg_receivewal", "--synchronous", "--no-loop", "--directory="+directory, "--dbname="+address)...)
	p.w.check(cmd.Start())
	go func() { _ = cmd.Wait() }() // it ends with its container
}

func TestACommitWaitsForMembersOnlyWhoeverElseReceivesIt(t *testing.T) {
	w := synchronous(t, 2, func(w *world) {
		w.asked = func(a *instanceapi.Availability) { a.Durability = instanceapi.DurabilityRequired }
	})
	leader, standby := w.pods[1], w.pods[2]
	w.check(leader.superuser("GRANT pg_monitor TO app"))
	before, incarnation := w.record(), standby.answers().Volume.Incarnation
	standby.kill()
	foreign := []string{
		"pg_receivewal", standby.name, server.ApplicationName(standby.name, "0123456789ab", before.Term),
		server.ApplicationName(leader.name, before.HolderIncarnation, before.Term),
	}
	for _, name := range foreign {
		leader.receives(name)
	}
	leader.streamsTo(len(foreign))
	conn, err := leader.connect()
	w.check(err)
	committed := make(chan error, 1)
	go func() {
		_, err := conn.Exec(w.ctx, "INSERT INTO notes VALUES ('second')")
		committed <- err
	}()
	waits := "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
	leader.reads(waits, "1")
	leader.streamsTo(len(foreign))
	revision := w.record().Revision
	w.eventually("the leader has looked at them again and again", func() bool { return w.record().Revision >= revision+2 })
	if after := w.record(); !maps.Equal(after.Quorum.Members, before.Quorum.Members) {
		t.Errorf("the members were %v, and are %v", before.Quorum.Members, after.Quorum.Members)
	}
	if listed := leader.answers().Postgres.Replicas; len(listed) > 0 {
		t.Errorf("it lists as standbys, though none runs: %+v", listed)
	}
	if readers := w.serving(naming.ReplicaService(clusterName)); readers != leader.name {
		t.Errorf("readers are led to %q, though no standby runs", readers)
	}
	// One that was cut off in an earlier term, and does not know yet that it has diverged since.
	leader.receives(server.ApplicationName(standby.name, incarnation, before.Term-1))
	leader.streamsTo(len(foreign) + 1)
	select {
	case err := <-committed:
		t.Fatalf("the commit is acknowledged, and its only other copy is nobody's: %v", err)
	default:
	}
	leader.reads(waits, "1")

	standby.run()
	standby.configure()
	w.check(<-committed)
	standby.reads(notes, "first second")
}

// streamsTo waits until so many have all that is flushed here, by what they say.
func (p *pod) streamsTo(count int) {
	p.w.t.Helper()
	p.reads("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND flush_lsn >= pg_current_wal_flush_lsn()", strconv.Itoa(count))
}
