//go:build integration

package instance

import (
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// What was found by reading the instance manager with bad intentions.

// The leader that was elected meanwhile cannot write the Lease again first: it is frozen while the former one comes back and reads it.
func TestALeaderThatWasReplacedDoesNotWriteALostLeaseAgain(t *testing.T) {
	w := synchronous(t, 3)
	former := w.named(w.record().Holder)
	w.check(former.signalAll("STOP"))
	w.succeeds(former)
	leader := w.named(w.record().Holder)
	w.check(leader.signalAll("STOP"))
	w.deleteLease()
	w.createLease(false)
	w.check(former.signalAll("CONT"))
	former.logs("once it is known that nobody else was elected")
	if holder := w.record().Holder; holder != "" {
		t.Errorf("%s has written the Lease while the leader was frozen", holder)
	}
	w.check(leader.signalAll("CONT"))
	w.eventually("the leader has written its record again", func() bool { return w.record().Holder == leader.name })
	former.becomes(instanceapi.StateStreaming)
	leader.must("INSERT INTO notes VALUES ('third')")
	for _, p := range w.pods {
		p.reads(notes, "first second third")
	}
}

func TestAnInstanceThatIsToBeClonedAgainVotesWhereTheLeaderIsLost(t *testing.T) {
	w := synchronous(t, 3)
	former := w.named(w.record().Holder)
	discarded := w.other(former)
	incarnation := discarded.answers().Volume.Incarnation
	_, err := discarded.client.Reinitialize(w.ctx)
	w.check(err)
	former.kill() // commits may be waiting for the other one still
	w.succeeds(former)
	former.run()
	for _, p := range w.pods {
		p.reads(notes, "first second")
	}
	former.becomes(instanceapi.StateStreaming)
	t.Logf("it was copy %s, and is %s", incarnation, discarded.answers().Volume.Incarnation)
}

// A session of a standby that has not said yet who it is would be able to write once the standby leads, before it may.
func TestNobodyWhoIsStillAuthenticatingStaysOverAPromotion(t *testing.T) {
	w := synchronous(t, 2)
	former := w.named(w.record().Holder)
	heir := w.other(former)
	conn, err := net.Dial("tcp", net.JoinHostPort(w.address(heir.ordinal), strconv.Itoa(naming.PortPostgres)))
	w.check(err)
	defer func() { _ = conn.Close() }()
	sslRequest := []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}
	_, err = conn.Write(sslRequest)
	w.check(err)
	answer := make([]byte, 1)
	_, err = io.ReadFull(conn, answer) // a process of its own answers
	w.check(err)
	former.kill()
	heir.becomes(instanceapi.StateRunning)
	// PostgreSQL itself would give it a minute.
	w.check(conn.SetReadDeadline(time.Now().Add(10 * time.Second)))
	if n, err := conn.Read(answer); n != 0 || os.IsTimeout(err) {
		t.Errorf("the session is still there: read %d bytes (%v)", n, err)
	}
	if log, err := os.ReadFile(heir.logFile()); err != nil || !strings.Contains(string(log), "has not authenticated yet") {
		t.Errorf("the log does not tell of it: %v", err)
	}
}
