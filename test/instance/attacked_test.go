//go:build integration

package instance

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/instanceapi"
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

// powerCut writes something to a leader's standbys and ends everybody at once; the leader's disk, which had only said that it kept what was flushed, has lost it.
func (w *world) powerCut(leader *pod) {
	w.t.Helper()
	kept := strings.Fields(leader.must("SELECT pg_walfile_name(lsn) || ' ' || (pg_walfile_name_offset(lsn)).file_offset FROM pg_current_wal_flush_lsn() lsn"))
	offset, err := strconv.ParseInt(kept[1], 10, 64)
	w.check(err)
	leader.must("INSERT INTO notes VALUES ('second')")
	for _, p := range w.pods {
		if p != leader {
			p.reads(notes, "first second")
			p.kill()
		}
	}
	leader.kill()
	segment, err := os.OpenFile(filepath.Join(leader.directory, "data", "pgdata", "pg_wal", kept[0]), os.O_RDWR, 0)
	w.check(err)
	end, err := segment.Seek(0, io.SeekEnd)
	w.check(err)
	_, err = segment.WriteAt(make([]byte, end-offset), offset)
	w.check(errors.Join(err, segment.Close()))
}

// All come up at the same time, so nobody was elected meanwhile: the Lease still names the leader.
func TestALeaderWhoseDiskLostWhatItHadFlushedLeavesTheLeadToWhoHasIt(t *testing.T) {
	w := synchronous(t, 3)
	leader := w.named(w.record().Holder)
	w.powerCut(leader)
	for _, p := range w.pods {
		p.run()
	}
	for _, p := range w.pods {
		p.configure()
	}
	successor := w.successor(leader)
	successor.becomes(instanceapi.StateRunning)
	successor.must("INSERT INTO notes VALUES ('third')")
	for _, p := range w.pods {
		p.reads(notes, "first second third")
	}
}

// One of the others is not enough to be elected without it. What it would say of its own copy is worth nothing, and the third member is waited for.
func TestALeaderWhoseDiskLostWhatItHadFlushedReleasesTheLeaseAndDoesNotVote(t *testing.T) {
	w := synchronous(t, 3)
	leader := w.named(w.record().Holder)
	w.powerCut(leader)
	present, away := w.other(leader), (*pod)(nil)
	for _, p := range w.pods {
		if p != leader && p != present {
			away = p
		}
	}
	for _, p := range []*pod{leader, present} {
		p.run()
	}
	for _, p := range []*pod{leader, present} {
		p.configure()
	}
	w.eventually("nobody holds the Lease", func() bool { return w.record().Holder == "" })
	leader.logs("this copy has lost what it had confirmed")
	leader.kill() // a program that starts anew knows it too
	leader.run()
	leader.configure()
	w.eventually("both have promised to wait for another leader", func() bool {
		revision := w.record().Revision
		return !slices.ContainsFunc([]*pod{leader, present}, func(p *pod) bool {
			promise := p.status().Volume.Promise
			return promise == nil || *promise < revision
		})
	})
	if holder := w.record().Holder; holder != "" {
		t.Errorf("%s leads, by a vote that is worth nothing", holder)
	}
	away.run()
	away.configure()
	w.eventually("somebody leads", func() bool { return w.record().Holder != "" })
	if w.record().Holder == leader.name {
		t.Fatal("the one that lost something leads")
	}
	w.named(w.record().Holder).becomes(instanceapi.StateRunning)
	for _, p := range w.pods {
		p.reads(notes, "first second")
	}
}

// A disk that kept everything is the rule: its instance starts in place, without an election.
func TestALeaderThatCrashedStartsInPlaceWhereNobodyHasMore(t *testing.T) {
	w := synchronous(t, 3)
	leader := w.named(w.record().Holder)
	leader.must("INSERT INTO notes VALUES ('second')")
	present := w.other(leader)
	for _, p := range w.pods {
		if p != leader {
			p.reads(notes, "first second")
			p.kill()
		}
	}
	leader.kill()
	before := w.record()
	for _, p := range []*pod{leader, present} {
		p.run()
	}
	for _, p := range []*pod{leader, present} {
		p.configure()
	}
	leader.becomes(instanceapi.StateRunning)
	leader.must("INSERT INTO notes VALUES ('third')")
	present.reads(notes, "first second third")
	if after := w.record(); after.Holder != leader.name || after.Term != before.Term {
		t.Errorf("%s leads in term %d; before, %s did in term %d", after.Holder, after.Term, before.Holder, before.Term)
	}
	leader.logs("the WAL on this disk was read")
}
