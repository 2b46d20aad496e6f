//go:build integration

package instance

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// pass writes the Lease as another instance would that had won an election.
func (w *world) pass(to *pod) {
	w.t.Helper()
	incarnation := to.answers().Volume.Incarnation
	w.rewriteLease(func(record *election.Record) {
		record.Holder, record.HolderIncarnation, record.Address = to.name, incarnation, w.address(to.ordinal)
		record.Term, record.Timeline = record.Term+1, record.Timeline+1
	})
}

// rewriteLease writes its next revision, as an instance does.
func (w *world) rewriteLease(change func(*election.Record)) {
	w.t.Helper()
	leases := env.api.kubernetes.CoordinationV1().Leases(w.namespace)
	w.eventually("the Lease is written", func() bool {
		lease, err := leases.Get(w.ctx, naming.Lease(clusterName), metav1.GetOptions{})
		w.check(err)
		record := w.record()
		record.Revision++
		change(&record)
		fields, err := election.Encode(record, election.Fields{
			LeaseDurationSeconds: int64(*lease.Spec.LeaseDurationSeconds), RenewTime: lease.Spec.RenewTime.Time, Annotations: lease.Annotations})
		w.check(err)
		term := int32(fields.LeaseTransitions)
		lease.Spec.HolderIdentity, lease.Spec.LeaseTransitions, lease.Annotations = &fields.HolderIdentity, &term, fields.Annotations
		_, err = leases.Update(w.ctx, lease, metav1.UpdateOptions{})
		return err == nil
	})
}

func TestALeaderThatLostTheLeaseStopsAndFollows(t *testing.T) {
	w := cluster(t, 3)
	w.pods[2].reads(notes, "first")
	w.eventually("members are published", func() bool { return len(w.record().Quorum.Members) == 3 })
	started := w.pods[2].answers().Postgres.StartedAt
	w.pass(w.pods[2])
	w.pods[2].becomes(instanceapi.StateRunning)
	if after := w.pods[2].answers().Postgres.StartedAt; !after.Equal(started) {
		t.Error("the standby was restarted to be promoted")
	}
	w.eventually("the read-write slice has the new leader", func() bool { return w.serving(naming.PrimaryService(clusterName)) == "shop-2" })
	w.pods[2].must("INSERT INTO notes VALUES ('second')")
	for _, n := range []int{1, 3} {
		w.pods[n].becomes(instanceapi.StateStreaming)
		w.pods[n].reads(notes, "first second")
	}
	if status := w.pods[1].answers(); status.Leader || !status.Postgres.InRecovery {
		t.Errorf("the former leader says %+v", status)
	}
	record := w.record()
	if timeline := w.pods[2].answers().Postgres.Timeline; timeline != record.Timeline || record.Term != 2 {
		t.Errorf("the new leader writes timeline %d, the Lease says %+v", timeline, record)
	}
}

// superuser runs SQL over the local socket, in the container; each text in a transaction of its own.
func (p *pod) superuser(statements ...string) error {
	arguments := []string{"--set=ON_ERROR_STOP=1", "--host=/run/timonier/socket", "--username=postgres"}
	for _, statement := range statements {
		arguments = append(arguments, "--command="+statement)
	}
	return p.inside(p.program("psql", arguments...)...)
}

// program of PostgreSQL, as a command for the container: its user has a name only by what the instance manager wrote down.
func (p *pod) program(name string, arguments ...string) []string {
	return append([]string{
		"/usr/bin/env", "--chdir=/", "PATH=/usr/lib/postgresql/" + p.w.major + "/bin:/usr/bin:/bin", "LD_PRELOAD=libnss_wrapper.so",
		"NSS_WRAPPER_PASSWD=/run/timonier/passwd", "NSS_WRAPPER_GROUP=/run/timonier/group", name,
	}, arguments...)
}

func TestTheDatabaseServesWhileTheAPIServerIsFrozen(t *testing.T) {
	w := synchronous(t, 3)
	leader := w.pods[1]
	w.eventually("readers are led to both standbys", func() bool { return w.serving(naming.ReplicaService(clusterName)) == "shop-2 shop-3" })
	sessions := map[*pod]*pgx.Conn{}
	for _, p := range w.pods {
		session, err := p.connect()
		w.check(err)
		defer session.Close(context.WithoutCancel(w.ctx))
		sessions[p] = session
	}
	w.check(env.api.freeze())
	defer func() { w.check(env.api.thaw()) }()
	lease := time.Duration(w.availability().LeaseDurationSeconds) * time.Second
	for n, end := 0, time.Now().Add(3*lease/2); time.Now().Before(end); n++ {
		note := "frozen " + strconv.Itoa(n)
		_, err := leader.query("INSERT INTO notes VALUES ('" + note + "')")
		w.check(err)
		if status := leader.status(); !status.Ready || !status.Leader {
			t.Fatalf("with the API server frozen it says %+v", status)
		}
		for p, session := range sessions {
			for _, err := range []error{session.Ping(w.ctx), p.answersReaders()} {
				if err != nil {
					t.Fatalf("a reader on %s, %d writes after the API server was frozen: %v", p.name, n, err)
				}
			}
			p.reads("SELECT count(*) FROM notes WHERE text = '"+note+"'", "1")
		}
		time.Sleep(200 * time.Millisecond)
	}
	leader.measuresThat(`lease_writes_total{outcome="failed"}`, "has grown", func(failed float64) bool { return failed > 0 })
	w.check(env.api.thaw())
	revision := w.record().Revision
	w.eventually("the leader renews again", func() bool { return w.record().Revision > revision })
	if w.record().Term != 1 {
		t.Error("the term changed")
	}
	if readers := w.serving(naming.ReplicaService(clusterName)); readers != "shop-2 shop-3" {
		t.Errorf("readers are led to %q", readers)
	}
}

// answersReaders tells what a new reader meets.
func (p *pod) answersReaders() error {
	_, err := p.query(notes)
	return err
}

// A program that starts anew goes by what the one before it had written down. It is the first time here that a leader of version 15 starts in place.
func TestInstancesThatRestartWhileTheAPIServerIsFrozenComeBackInTheRolesThatTheyCanProve(t *testing.T) {
	w := synchronous(t, 3, ofMajor("15"))
	leader := w.named(w.record().Holder)
	standby := w.other(leader)
	w.check(env.api.freeze())
	defer func() { w.check(env.api.thaw()) }()
	for _, p := range []*pod{standby, leader} {
		p.kill()
		p.run()
		p.configure()
		if p == leader {
			p.becomes(instanceapi.StateRunning)
		} else {
			p.becomes(instanceapi.StateStreaming)
		}
	}
	leader.must("INSERT INTO notes VALUES ('frozen')")
	for _, p := range w.pods {
		p.reads(notes, "first frozen")
	}
	w.check(env.api.thaw())
	w.eventually("the leader renews again", func() bool {
		record := w.record()
		return record.Holder == leader.name && leader.status().Leader
	})
	if after := w.record(); after.Term != 1 {
		t.Errorf("the term became %d", after.Term)
	}
}

// Nobody makes the Lease again where there is no operator. Until it is there nobody can be elected, so that a leader whose server, or whose program, ends
// is as sure of its role as with an API server that is silent.
func TestALeaderStartsAgainInPlaceWhileThereIsNoLease(t *testing.T) {
	w := synchronous(t, 3)
	leader := w.named(w.record().Holder)
	standby := w.other(leader)
	before := leader.answers().Postgres.PID
	w.deleteLease()
	leader.logs("the Lease does not exist")
	w.check(leader.inside("kill", "-KILL", fmt.Sprint(before)))
	w.eventually("its server serves again", func() bool {
		status := leader.status()
		return status.State == instanceapi.StateRunning && status.Ready && status.Postgres.PID != before
	})
	leader.must("INSERT INTO notes VALUES ('second')")
	for _, p := range []*pod{standby, leader} {
		p.kill()
		p.run()
		p.configure()
	}
	standby.becomes(instanceapi.StateStreaming)
	leader.becomes(instanceapi.StateRunning)
	leader.must("INSERT INTO notes VALUES ('third')")
	if _, err := env.api.kubernetes.CoordinationV1().Leases(w.namespace).Get(w.ctx, naming.Lease(clusterName), metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("somebody has made the Lease: %v", err)
	}

	serving := leader.answers().Postgres.PID
	w.createLease(false)
	w.eventually("the leader has written its record again", func() bool { return w.record().Holder == leader.name })
	if members := w.record().Quorum.Members; len(members) != 3 {
		t.Errorf("its members are %v; want those of before", members)
	}
	leader.logs("the leader writes its own record again")
	if after := leader.answers().Postgres.PID; after != serving {
		t.Error("it was stopped for that")
	}
	for _, p := range w.pods {
		p.reads(notes, "first second third")
	}
}

// The lease ends after ten seconds, and nobody could renew it. Where all the others follow, nobody may take it either.
func TestAnAsynchronousLeaderGoesOnWithoutTheAPIServerWhileAllMembersFollow(t *testing.T) {
	w := cluster(t, 3, func(w *world) {
		w.asked = func(a *instanceapi.Availability) { a.Mode = instanceapi.ModeAsynchronous }
	})
	w.eventually("all three are members", func() bool {
		q := w.record().Quorum
		return q.Mode == election.ModeAsynchronous && len(q.Members) == 3
	})
	leader := w.pods[1]
	lease := time.Duration(w.availability().LeaseDurationSeconds) * time.Second
	w.check(env.api.freeze())
	frozen := time.Now()
	defer func() { w.check(env.api.thaw()) }()
	for n := 0; time.Since(frozen) < 2*lease; n++ {
		_, err := leader.query("INSERT INTO notes VALUES ('frozen " + strconv.Itoa(n) + "')")
		w.check(err)
		time.Sleep(200 * time.Millisecond)
	}

	standby := w.pods[3]
	w.check(shell("ip link set " + standby.link() + " down"))
	cut := time.Now()
	w.eventually("it stops once one of them might take the Lease", func() bool {
		_, err := leader.query("INSERT INTO notes VALUES ('alone')")
		return err != nil
	})
	if stopped := time.Since(cut); stopped < lease/2 || stopped > lease+2*time.Second {
		t.Errorf("it stopped %s after one was cut off, with a lease of %s", stopped, lease)
	}
	w.check(shell("ip link set " + standby.link() + " up"))
	w.check(env.api.thaw())
	w.eventually("writes are back", func() bool {
		holder := w.record().Holder
		if holder == "" {
			return false
		}
		_, err := w.named(holder).query("INSERT INTO notes VALUES ('back')")
		return err == nil
	})
}

func TestALeaderOfALowerTermDoesNotWriteOverASlice(t *testing.T) {
	w := cluster(t, 1)
	w.eventually("the slice is written", func() bool { return w.serving(naming.PrimaryService(clusterName)) == "shop-1" })
	slices := env.api.kubernetes.DiscoveryV1().EndpointSlices(w.namespace)
	slice, err := slices.Get(w.ctx, naming.PrimaryService(clusterName), metav1.GetOptions{})
	w.check(err)
	slice.Annotations[naming.AnnotationTerm] = "99"
	slice.Endpoints = nil
	slice, err = slices.Update(w.ctx, slice, metav1.UpdateOptions{})
	w.check(err)
	version := slice.ResourceVersion
	time.Sleep(12 * time.Second) // longer than until the leader looks again
	slice, err = slices.Get(w.ctx, naming.PrimaryService(clusterName), metav1.GetOptions{})
	w.check(err)
	if slice.ResourceVersion != version {
		t.Errorf("a leader of term 1 wrote over term 99: %v", slice.Endpoints)
	}
}

func TestAnIdleClusterWritesOncePerInterval(t *testing.T) {
	w := cluster(t, 3)
	w.eventually("everything is settled", func() bool {
		return len(w.record().Quorum.Members) == 3 && w.serving(naming.ReplicaService(clusterName)) == "shop-2 shop-3"
	})
	time.Sleep(2 * time.Second)
	versions := func() map[string]string {
		all := map[string]string{}
		for _, name := range []string{naming.PrimaryService(clusterName), naming.ReplicaService(clusterName)} {
			slice, err := env.api.kubernetes.DiscoveryV1().EndpointSlices(w.namespace).Get(w.ctx, name, metav1.GetOptions{})
			w.check(err)
			all[name] = slice.ResourceVersion
		}
		return all
	}
	revision, before := w.record().Revision, versions()
	begin := env.api.askedForLeases(t)
	time.Sleep(15 * time.Second)
	end := env.api.askedForLeases(t)
	if asked := end - begin; asked > 2 { // three that poll ask three times in five seconds at least, not to notice later than by a watch
		t.Errorf("the API server was asked %v times for a Lease in 15 s, although it is watched", asked)
	}
	if w.record(); env.api.askedForLeases(t) == end {
		t.Error("what is asked for is not counted")
	}
	if renewals := w.record().Revision - revision; renewals < 3 || renewals > 6 {
		t.Errorf("%d renewals in 15 s; want one every 3 s", renewals)
	}
	if after := versions(); !maps.Equal(before, after) {
		t.Errorf("slices were written although nothing changed: %v, %v", before, after)
	}
}

// ofMajor is PostgreSQL of that version.
func ofMajor(major string) func(*world) { return func(w *world) { w.major = major } }

func TestTheOlderMajorVersionServesToo(t *testing.T) {
	w := cluster(t, 2, ofMajor("15"))
	w.pods[2].reads(notes, "first")
	if version := w.pods[1].must("SHOW server_version"); !strings.HasPrefix(version, "15.") {
		t.Errorf("it is %s", version)
	}
	if got := w.pods[1].must("SELECT datcollate || ' ' || datctype || ' ' || pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'app'"); got != "C C.UTF-8 UTF8" {
		t.Errorf("the locale is %s", got)
	}
}

func TestAnImageOfAnotherMajorVersionIsWaitedOut(t *testing.T) {
	w := cluster(t, 1, ofMajor("15"))
	w.pods[1].terminate()
	w.major = "17"
	w.pods[1].run()
	status := w.pods[1].waitsFor(instanceapi.WaitVersion)
	if !strings.Contains(status.Message, "15") || !strings.Contains(status.Message, "17") {
		t.Errorf("the message does not name both versions: %s", status.Message)
	}
}
