package postgrescluster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

func TestCommitsThatDidNotWaitAreToldOncePerBurstAndNoneTwice(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	var known []v1alpha1.CancelledWaits
	for _, look := range []struct {
		what    string
		minute  int
		started int // minute in which the instance began to count
		count   int64
		silent  bool
		tells   string // number of commits and since when, "" for no event
		untold  int64
	}{
		{what: "none yet", minute: 1, count: 0},
		{what: "the first ones", minute: 2, count: 3, tells: "3 commits were returned since 2026-01-02T03:00:00Z"},
		{what: "the same", minute: 3, count: 3},
		{what: "more of the burst", minute: 4, count: 10, untold: 7},
		{what: "it does not answer", minute: 5, silent: true, untold: 7},
		{what: "it has started again", minute: 6, started: 6, count: 0, untold: 7},
		{what: "and goes on", minute: 7, started: 6, count: 2, untold: 9},
		{what: "not yet long enough", minute: 16, started: 6, count: 12, untold: 19},
		{what: "long enough", minute: 17, started: 6, count: 12, tells: "19 commits were returned since 2026-01-02T03:02:00Z"},
		{what: "nothing for long", minute: 50, started: 6, count: 12},
		{what: "one", minute: 51, started: 6, count: 13, tells: "1 commit was returned since 2026-01-02T03:17:00Z"},
		{what: "a count that began again unseen", minute: 80, started: 60, count: 13, tells: "13 commits were returned since 2026-01-02T03:51:00Z"},
		{what: "a clock that went back", minute: 70, started: 60, count: 15, tells: "2 commits were returned since 2026-01-02T04:20:00Z"},
	} {
		now := began.Add(time.Duration(look.minute)*time.Minute + 300*time.Millisecond)
		told := map[string]instanceapi.CancelledWaits{"c-1": {Since: began.Add(time.Duration(look.started)*time.Minute + 700*time.Millisecond), Count: look.count}}
		if look.silent {
			told = nil
		}
		after := decideCancelled(known, told, now)
		// What is not written is found out again, and the same.
		if again := decideCancelled(after, told, now); len(again) != len(after) || len(again) > 0 && cancelledMessage(after, again[0]) != "" {
			t.Errorf("%s: it would be told twice", look.what)
		}
		message, untold := "", int64(0)
		if len(after) > 0 {
			message, untold = cancelledMessage(known, after[0]), after[0].Untold
		}
		if (message != "") != (look.tells != "") || !strings.HasPrefix(message, strings.TrimSpace("on c-1 "+look.tells)) && message != "" || untold != look.untold {
			t.Errorf("%s: %d untold, want %d; told is %q, want %q", look.what, untold, look.untold, message, look.tells)
		}
		known = after
	}
}

func TestCountsAloneAreNoReasonToWriteTheStatus(t *testing.T) {
	at := metav1.Unix(1000, 0)
	status := func(count int64, toldAt *metav1.Time) v1alpha1.PostgresClusterStatus {
		return v1alpha1.PostgresClusterStatus{Availability: &v1alpha1.AvailabilityStatus{CancelledWaits: []v1alpha1.CancelledWaits{
			{Instance: "c-1", CountedSince: metav1.Unix(count, 0), Count: count, Untold: count, ToldAt: toldAt}}}}
	}
	if before := status(1, &at); worthWriting(before, status(2, &at)) || before.Availability.CancelledWaits[0].Count != 1 {
		t.Error("a count is written at once, or lost")
	}
	if !worthNoting(status(1, &at), status(2, &at)) || worthNoting(status(1, &at), status(1, &at)) {
		t.Error("a count is never written, or where it is the same")
	}
	if !worthWriting(status(1, nil), status(1, &at)) {
		t.Error("what was told is not written at once")
	}
}

func TestWhoLoweredSynchronousCommitIsKeptUntilALeaderTells(t *testing.T) {
	s := scopeWith(nil, 1, 2, 3)
	s.observed.record = election.Record{Holder: "c-1", Term: 1}
	tells := func(overrides *instanceapi.SynchronousCommitOverrides) {
		s.observed.instances = map[string]contact.Instance{"c-1": {Client: &instanceapi.Client{}, Status: instanceapi.Status{Leader: true, SynchronousCommitOverrides: overrides}}}
	}
	var status *v1alpha1.AvailabilityStatus
	shown := func(want string) {
		t.Helper()
		status = s.availabilityStatus(status)
		got := "none"
		if o := status.SynchronousCommitOverrides; o != nil {
			got = fmt.Sprintf("%d of %d, first %+v", len(o.Listed), o.Total, o.Listed[0])
		}
		if got != want {
			t.Errorf("%s; want %s", got, want)
		}
	}
	tells(nil)
	shown("none")
	many := make([]instanceapi.SynchronousCommitOverride, 25)
	many[0] = instanceapi.SynchronousCommitOverride{Role: "app", Value: "off"}
	tells(&instanceapi.SynchronousCommitOverrides{Total: 30, Listed: many})
	shown("20 of 30, first {Database: Role:app Value:off}")
	tells(nil)
	shown("20 of 30, first {Database: Role:app Value:off}")
	s.observed.instances = nil
	shown("20 of 30, first {Database: Role:app Value:off}")
	tells(&instanceapi.SynchronousCommitOverrides{})
	shown("none")
}
