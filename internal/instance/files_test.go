package instance

import (
	"strings"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/certificates"
	"github.com/timonier-io/timonier/internal/instance/server"
	"github.com/timonier-io/timonier/internal/instance/volumes"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// configured is a manager whose configuration files can be rendered.
func configured(t *testing.T) *Manager {
	t.Helper()
	m := measuring(t)
	m.options.Volumes, m.options.Major = volumes.Layout{Data: t.TempDir()}, "17"
	m.certificates = certificates.NewStore(t.TempDir(), t.TempDir())
	m.configuration = load(t, m.options.Volumes.Data)
	m.configuration.use(&instanceapi.Configuration{Revision: "1", Version: "17", Parameters: map[string]string{"work_mem": "5MB"}})
	return m
}

// file that is rendered for a standby.
func (m *Manager) file(t *testing.T, name string, open bool) string {
	t.Helper()
	files, err := m.rendered(true, open)
	if err != nil {
		t.Fatal(err)
	}
	return files[name]
}

func TestFilesAreRenderedAnewOnceWhatTheyAreRenderedFromHasChanged(t *testing.T) {
	m := configured(t)
	for _, change := range []struct {
		what, file string
		open       bool
		make       func()
		want       string
	}{
		{"nothing", settingsFile, false, func() {}, "work_mem = '5MB'"},
		{"a parameter", settingsFile, false, func() {
			m.configuration.use(&instanceapi.Configuration{Revision: "2", Version: "17", Parameters: map[string]string{"work_mem": "6MB"}})
		}, "work_mem = '6MB'"},
		{"a rule for clients", hbaFile, true, func() {
			m.configuration.use(&instanceapi.Configuration{Revision: "3", Version: "17", HBA: []string{"hostssl shop app 192.0.2.0/24 scram-sha-256"}})
		}, "192.0.2.0/24"},
		{"what the primary runs with", settingsFile, false, func() {
			m.contents.Control.StandbySensitive = map[string]int64{"max_connections": 777}
		}, "max_connections = '777'"},
		{"whom commits wait for", settingsFile, false, func() {
			m.contents.Identity.Told, m.contents.Identity.ToldTerm = &election.Quorum{Mode: election.ModeQuorum, Members: map[string]string{"a1": "shop-1", "b1": "shop-2"}, Required: 2}, 3
		}, "ANY 1"},
	} {
		before := m.file(t, change.file, change.open)
		if change.what != "nothing" && strings.Contains(before, change.want) {
			t.Fatalf("%s: %q is there before", change.what, change.want)
		}
		change.make()
		if after := m.file(t, change.file, change.open); !strings.Contains(after, change.want) {
			t.Errorf("%s has changed, and %q is not in\n%s", change.what, change.want, after)
		}
	}
	if shut, open := m.file(t, hbaFile, false), m.file(t, hbaFile, true); strings.Contains(shut, "192.0.2.0/24") || !strings.Contains(open, "192.0.2.0/24") {
		t.Errorf("clients are let in by\n%s\nand kept out by\n%s", open, shut)
	}
}

func TestRoomIsMeasuredAgainBecauseItMayGrow(t *testing.T) {
	m := configured(t)
	const volume = 1 << 30
	m.room = room{memory: 1 << 30, wal: volume, at: time.Now()}
	small := m.file(t, settingsFile, false)
	if m.room.wal != volume {
		t.Errorf("it was measured again at once: %d", m.room.wal)
	}
	m.room.at = time.Now().Add(-roomEvery)
	if grown := m.file(t, settingsFile, false); m.room.wal != m.walVolumeBytes() || m.room.wal == volume || grown == small {
		t.Errorf("the volume has %d bytes by now, and the settings are for %d", m.walVolumeBytes(), m.room.wal)
	}
}

func TestSlotsAreLookedAtSoonWhereOneIsMissingOrAnInstanceIsNew(t *testing.T) {
	now := time.Now()
	two, three := []string{"shop-1", "shop-2"}, []string{"shop-1", "shop-2", "shop-3"}
	for name, c := range map[string]struct {
		leading leading
		ago     time.Duration
		due     bool
	}{
		"it has just begun to lead":              {leading{}, time.Hour, true},
		"all had theirs a second ago":            {leading{slotsOf: three}, slotsSoon, false},
		"all had theirs a while ago":             {leading{slotsOf: three}, slotsEvery, true},
		"an instance is new since a second":      {leading{slotsOf: two}, slotsSoon, true},
		"one could not be made, a second ago":    {leading{}, slotsSoon, true},
		"one could not be made, just now":        {leading{}, 0, false},
		"an instance is new, and it just looked": {leading{slotsOf: two}, slotsSoon - time.Millisecond, false},
	} {
		c.leading.slotsAt = now.Add(-c.ago)
		if due := c.leading.slotsDue(three, now); due != c.due {
			t.Errorf("%s: due %t, want %t", name, due, c.due)
		}
	}
}

func TestSlotsThatCannotBeLookedAtAreLookedAtAgainSoon(t *testing.T) {
	m := configured(t)
	m.sql = &server.Server{SocketDirectory: t.TempDir(), Port: 5432} // where no server is
	m.leading.slotsOf = []string{"shop-1", "shop-2"}
	m.configuration.use(&instanceapi.Configuration{Instances: m.leading.slotsOf})
	m.keepLeadersSlots(t.Context())
	if looked := m.leading.slotsAt; looked.IsZero() || !m.leading.slotsDue([]string{"shop-1", "shop-2"}, looked.Add(slotsSoon)) {
		t.Errorf("they were looked at in vain at %s, and count as seen: %v", looked, m.leading.slotsOf)
	}
}
