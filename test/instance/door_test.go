//go:build integration

package instance

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// begins a connection up to where a process of its own answers: it has not said yet who it is, and pg_hba.conf was not asked.
func (p *pod) begins() net.Conn {
	p.w.t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort(p.w.address(p.ordinal), strconv.Itoa(naming.PortPostgres)))
	p.w.check(err)
	p.w.t.Cleanup(func() { _ = conn.Close() })
	sslRequest := []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}
	_, err = conn.Write(sslRequest)
	p.w.check(err)
	_, err = io.ReadFull(conn, make([]byte, 1))
	p.w.check(err)
	return conn
}

// halfIn begins a connection up to where the password is asked for: pg_hba.conf has let it in.
func (p *pod) halfIn() net.Conn {
	p.w.t.Helper()
	conn := tls.Client(p.begins(), p.verified())
	client := pgproto3.NewFrontend(conn, conn)
	client.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "app", "database": "app"}})
	p.w.check(client.Flush())
	asked, err := client.Receive()
	p.w.check(err)
	if _, is := asked.(*pgproto3.AuthenticationSASL); !is {
		p.w.t.Fatalf("it is not asked for its password, but told %T", asked)
	}
	return conn
}

// A session of a standby that has not said yet who it is, or that has only to send its password, would be able to write once the standby leads, before it may.
func TestNobodyWhoIsStillAuthenticatingStaysOverAPromotion(t *testing.T) {
	w := synchronous(t, 2)
	former := w.named(w.record().Holder)
	heir := w.other(former)
	sessions := map[string]net.Conn{"has not said who it is": heir.begins(), "has not sent its password": heir.halfIn()}
	former.kill()
	heir.becomes(instanceapi.StateRunning)
	for who, conn := range sessions {
		// PostgreSQL itself would give it a minute.
		w.check(conn.SetReadDeadline(time.Now().Add(10 * time.Second)))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || os.IsTimeout(err) {
			t.Errorf("the session that %s is still there: read %d bytes (%v)", who, n, err)
		}
	}
	log, err := os.ReadFile(heir.logFile())
	w.check(err)
	if told := strings.Count(string(log), "has not authenticated yet"); told < len(sessions) {
		t.Errorf("the log tells of %d that were still authenticating", told)
	}
}

// Clients come all the time. From when the first session is ended nobody gets in, and nobody who came before stays until writes are taken.
func TestTheDoorIsSeenToBeClosedBeforeSessionsAreEndedForAPromotion(t *testing.T) {
	w := synchronous(t, 2)
	former := w.named(w.record().Holder)
	heir := w.other(former)
	resident, err := heir.connect()
	w.check(err)
	v := visitors{heir: heir, led: make(chan struct{})}
	go v.come()
	former.kill()
	_, err = resident.Exec(w.ctx, "SELECT pg_sleep(600)")
	v.late.Store(true)
	if err == nil {
		t.Fatal("the session was not ended")
	}
	<-v.led
	if len(v.stay) == 0 {
		t.Error("nobody came before it led; the test does not test anything")
	}
	for _, session := range v.stay {
		if session.Ping(w.ctx) == nil {
			t.Error("a session that began on a standby can write")
		}
	}
}

// visitors of an instance that is to lead.
type visitors struct {
	heir *pod
	// late: a session was ended already.
	late atomic.Bool
	// led is closed once one can write; stay are the latest of those that could only read.
	led  chan struct{}
	stay []*pgx.Conn
}

// come until one can write.
func (v *visitors) come() {
	defer close(v.led)
	w := v.heir.w
	for recovers := true; recovers && w.ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		late := v.late.Load()
		session, err := v.heir.connect()
		if err != nil {
			continue
		}
		if err := session.QueryRow(w.ctx, "SELECT pg_is_in_recovery()").Scan(&recovers); err != nil || !recovers {
			_ = session.Close(w.ctx) // it may have been ended
			continue
		}
		if late {
			w.t.Error("a reader was let in after another one was ended")
		}
		if v.stay = append(v.stay, session); len(v.stay) > 20 {
			_ = v.stay[0].Close(w.ctx)
			v.stay = v.stay[1:]
		}
	}
}
