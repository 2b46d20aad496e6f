//go:build integration

package instance

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

// reconnectsWithin is how soon a standby is to stream once its leader can be streamed from. It is open later, for commits are to be on enough standbys before.
const reconnectsWithin = time.Second

// Commits wait for one of the two that are left, so that the leader opens without the other.
func TestStandbysStreamFromANewLeaderWithinASecondOfItsOpening(t *testing.T) {
	w := synchronous(t, 4, func(w *world) {
		w.asked = func(a *instanceapi.Availability) { a.SynchronousStandbys = 1 }
	})
	former, began := w.leader(), time.Now()
	former.kill()
	w.succeeds(former)
	leader := w.leader()
	w.reconnects(leader, former, began, func(entry logEntry) bool {
		return entry.Message == "the Lease names another leader" && entry.Holder == leader.name
	})
}

func TestStandbysStreamFromALeaderThatStartsAgainInPlaceWithinASecondOfItsOpening(t *testing.T) {
	w := synchronous(t, 3)
	leader, began := w.leader(), time.Now()
	leader.restart()
	if holder := w.record().Holder; holder != leader.name {
		t.Fatalf("%s leads, and not %s again", holder, leader.name)
	}
	w.reconnects(leader, nil, began, func(entry logEntry) bool { return entry.Message == "database system is ready to accept connections" })
}

// reconnects holds that all others but one that is gone stream from this leader soon enough since it has logged that it can be streamed from. How long that took is told by
// how often each standby's own server has waited for its next try: the clock of a busy machine would tell more.
func (w *world) reconnects(leader, gone *pod, began time.Time, ready func(logEntry) bool) {
	w.t.Helper()
	since, opened := leader.logged(began, ready), leader.logged(began, func(entry logEntry) bool { return entry.Message == "open for clients" })
	for _, standby := range w.pods {
		if standby == leader || standby == gone {
			continue
		}
		interval, err := time.ParseDuration(standby.must("SHOW wal_retrieve_retry_interval"))
		w.check(err)
		streams := standby.logged(began, func(entry logEntry) bool {
			return strings.HasPrefix(entry.Message, "started streaming WAL from primary")
		})
		waits := 1 // the one that is under way then
		for _, entry := range standby.log(since) {
			if entry.at.Before(streams) && strings.HasPrefix(entry.Message, "waiting for WAL to become available") {
				waits++
			}
		}
		w.t.Logf("%s streams %d ms after %s could be streamed from, which is open %d ms after that: it has waited %d times", standby.name,
			streams.Sub(since).Milliseconds(), leader.name, opened.Sub(since).Milliseconds(), waits)
		if waited := time.Duration(waits) * interval; waited > reconnectsWithin {
			w.t.Errorf("%s has waited %d times for %s since %s could be streamed from", standby.name, waits, interval, leader.name)
		}
	}
}

// logEntry of PostgreSQL, or of the instance manager.
type logEntry struct {
	at      time.Time
	Message string `json:"message"`
	Holder  string `json:"holder"`
}

// logged is when an instance logged the first such entry since then, for which it is waited.
func (p *pod) logged(since time.Time, such func(logEntry) bool) (at time.Time) {
	p.w.t.Helper()
	p.w.eventually(p.name+" has logged it", func() bool {
		entries := p.log(since)
		first := slices.IndexFunc(entries, such)
		if first >= 0 {
			at = entries[first].at
		}
		return first >= 0
	})
	return at
}

// log of an instance since then.
func (p *pod) log(since time.Time) (entries []logEntry) {
	p.w.t.Helper()
	content, err := os.ReadFile(p.logFile())
	p.w.check(err)
	for line := range strings.Lines(string(content)) {
		if entry, told := logEntryOf(line); told && entry.at.After(since) {
			entries = append(entries, entry)
		}
	}
	return entries
}

func logEntryOf(line string) (entry logEntry, told bool) {
	var own struct {
		Time      time.Time `json:"time"`
		Text      string    `json:"msg"`
		Timestamp string    `json:"timestamp"`
	}
	if json.Unmarshal([]byte(line), &entry) != nil || json.Unmarshal([]byte(line), &own) != nil {
		return entry, false // it is still being written
	}
	if own.Timestamp == "" {
		entry.at, entry.Message = own.Time, own.Text
		return entry, true
	}
	at, err := time.Parse("2006-01-02 15:04:05.000 MST", own.Timestamp)
	entry.at = at
	return entry, err == nil
}
