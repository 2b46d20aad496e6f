package instance

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/peers"
	"github.com/timonier-io/timonier/internal/instance/volumes"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

func TestALeaderGivesWayOnlyToWhomCanBeElected(t *testing.T) {
	three := election.Quorum{Mode: election.ModeQuorum, Required: 2, Members: map[string]string{"a1": "shop-1", "a2": "shop-2", "a3": "shop-3"}}
	says := func(incarnation string, eligible bool) peers.Beat {
		return peers.Beat{Heartbeat: instanceapi.Heartbeat{Incarnation: incarnation, Eligible: eligible}, At: time.Now()}
	}
	silent, broken := says("a3", true), says("a3", true)
	silent.At, broken.Broken = time.Now().Add(-3*time.Second), true
	for sentence, tc := range map[string]struct {
		lead  lead
		beats map[string]peers.Beat
		gives bool
	}{
		"both follow":                             {lead{opened: true, quorum: three}, map[string]peers.Beat{"shop-2": says("a2", true), "shop-3": says("a3", true)}, true},
		"one follows, and the other is there":     {lead{opened: true, quorum: three}, map[string]peers.Beat{"shop-2": says("a2", true), "shop-3": says("a3", false)}, true},
		"both are there, and none follows":        {lead{opened: true, quorum: three}, map[string]peers.Beat{"shop-2": says("a2", false), "shop-3": says("a3", false)}, false},
		"both are there, and none could yet":      {lead{quorum: three}, map[string]peers.Beat{"shop-2": says("a2", false), "shop-3": says("a3", false)}, true},
		"one follows, and the other is away":      {lead{opened: true, quorum: three}, map[string]peers.Beat{"shop-2": says("a2", true)}, false},
		"one follows, and the other is silent":    {lead{opened: true, quorum: three}, map[string]peers.Beat{"shop-2": says("a2", true), "shop-3": silent}, false},
		"one follows, and the other broke off":    {lead{opened: true, quorum: three}, map[string]peers.Beat{"shop-2": says("a2", true), "shop-3": broken}, false},
		"one follows, and the other is no member": {lead{opened: true, quorum: three}, map[string]peers.Beat{"shop-2": says("a2", true), "shop-3": says("b3", true)}, false},
	} {
		tc.lead.counts = 2 * time.Second
		if got := tc.lead.replaceable(tc.beats, stalledAfter); got != tc.gives {
			t.Errorf("%s: %v", sentence, got)
		}
		if _, there := heardOf(tc.beats, three, tc.lead.counts); tc.lead.replaceable(tc.beats, stalledStopping) != (there == 2) {
			t.Errorf("%s, for longer than any disk is busy: %v", sentence, there != 2)
		}
	}
}

func TestALoopThatStandsIsToldToBeDownOnceNoBusyDiskExplainsIt(t *testing.T) {
	for sentence, tc := range map[string]struct {
		stands              time.Duration
		waits, busy, isDown bool
	}{
		"a moment, while a write waits":                {stands: 6 * time.Second, waits: true},
		"long, while a write waits":                    {stands: 8 * time.Second, waits: true, isDown: true},
		"long, write by write":                         {stands: 8 * time.Second},
		"long, on a disk that a restart keeps busy":    {stands: 8 * time.Second, waits: true, busy: true},
		"longer than any disk is busy":                 {stands: 21 * time.Second, isDown: true},
		"longer than any disk is busy, with a restart": {stands: 21 * time.Second, busy: true, isDown: true},
	} {
		m := measuring(t)
		m.peers = peers.NewHeartbeats(peers.Options{})
		m.beat.Store(&toldBeat{instanceapi.Heartbeat{Leads: true}, leaderBeats, make(chan struct{})})
		m.published.Store(&instanceapi.Status{State: instanceapi.StateRunning, Leader: true, Ready: true, Postgres: &instanceapi.Postgres{}})
		m.led.Store(&lead{busyDisk: tc.busy, counts: time.Second})
		if tc.waits {
			writeThatWaits(t, m)
		}
		m.bark(time.Now().Add(tc.stands))
		beat, status := m.beat.Load().beat, m.published.Load()
		if beat.Down != tc.isDown || beat.Leads == tc.isDown || status.Leader == tc.isDown || (status.State == instanceapi.StateFailed) != tc.isDown {
			t.Errorf("it stands %s: heartbeat %+v, status %+v", sentence, beat, status)
		}
	}
}

// writeThatWaits is one of the probe, from now on.
func writeThatWaits(t *testing.T, m *Manager) {
	t.Helper()
	directory := t.TempDir()
	probe := filepath.Join(directory, ".write-probe")
	if err := syscall.Mkfifo(probe, 0o600); err != nil {
		t.Fatal(err)
	}
	m.writes = volumes.NewWriteProbe(volumes.Layout{Data: directory}, m.measureWrite)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.writes.Run(ctx, time.Millisecond, func() bool { return true })
	}()
	t.Cleanup(func() {
		stop()
		reader, err := os.OpenFile(probe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		<-ended
		_ = reader.Close()
	})
	for m.writes.Waits(time.Now()) == 0 {
		time.Sleep(time.Millisecond) // no event tells of it
	}
}

func TestALeaderWhoseLeaseHasEndedWithoutItsLoopIsKilledBeforeOthersLead(t *testing.T) {
	now := time.Now()
	l := &lead{ends: now, lasts: 10 * time.Second}
	for sentence, tc := range map[string]struct {
		turned, now time.Time
		kills       bool
	}{
		"it has not ended":                     {now.Add(-time.Minute), now.Add(-time.Second), false},
		"it ends just now":                     {now.Add(-time.Minute), now.Add(100 * time.Millisecond), false},
		"it has ended":                         {now.Add(-time.Minute), now.Add(300 * time.Millisecond), true},
		"it has ended, and the loop turned":    {now.Add(time.Millisecond), now.Add(300 * time.Millisecond), false},
		"it ended before the loop turned last": {now.Add(time.Hour), now.Add(2 * time.Hour), false},
	} {
		if got := l.endsAlone(now.Add(-10*time.Second), tc.turned, tc.now); got != tc.kills {
			t.Errorf("%s: %v", sentence, got)
		}
	}
	if l.endsAlone(now.Add(-5*time.Second), now.Add(-time.Minute), now.Add(4*time.Second)) {
		t.Error("it was renewed five seconds before that end, of which the loop does not know yet")
	}
	if !l.endsAlone(now.Add(-5*time.Second), now.Add(-time.Minute), now.Add(6*time.Second)) {
		t.Error("that renewal has ended too")
	}
	if (&lead{}).endsAlone(now.Add(-time.Minute), now.Add(-time.Minute), now) {
		t.Error("where commits wait for a quorum no lease ends")
	}
}
