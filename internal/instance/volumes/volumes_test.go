package volumes

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/postgres"
)

// system of every data directory in these tests; the control files are empty, and read as this.
const system = "7711"

func readControl(_ context.Context, _ string) (postgres.ControlData, error) {
	return postgres.ControlData{SystemIdentifier: system, CheckpointTimeline: 1}, nil
}

func layout(t *testing.T) Layout {
	t.Helper()
	return Layout{Data: t.TempDir(), WAL: t.TempDir()}
}

// dataDirectory puts something at path that looks like PGDATA.
func dataDirectory(t *testing.T, path string) {
	t.Helper()
	for _, directory := range []string{"global", "pg_wal"} {
		if err := os.MkdirAll(filepath.Join(path, directory), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"global/pg_control", "PG_VERSION", "pg_wal/000000010000000000000001"} {
		if err := os.WriteFile(filepath.Join(path, file), []byte("17\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func inspected(t *testing.T, l Layout) Contents {
	t.Helper()
	c, err := l.Inspect(t.Context(), readControl)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func save(t *testing.T, l Layout, identity Identity) {
	t.Helper()
	if err := l.SaveIdentity(identity); err != nil {
		t.Fatal(err)
	}
}

func TestVolumesAreWholeOnlyWhereTheyBelongTogether(t *testing.T) {
	whole := Identity{Instance: "shop-1", System: system, Incarnation: "a1"}
	remove := func(paths ...string) error {
		var failures error
		for _, path := range paths {
			failures = errors.Join(failures, os.RemoveAll(path))
		}
		return failures
	}
	for name, c := range map[string]struct {
		spoil  func(l Layout) error
		damage string
	}{
		"whole":                {func(Layout) error { return nil }, ""},
		"without any identity": {func(l Layout) error { return remove(identityFile(l.Data), identityFile(l.WAL)) }, "no identity"},
		"a new WAL volume":     {func(l Layout) error { return remove(identityFile(l.WAL)) }, "do not belong together"},
		"a new data volume's":  {func(l Layout) error { return remove(identityFile(l.Data)) }, "do not belong together"},
		"another WAL volume": {func(l Layout) error {
			return Layout{Data: l.WAL}.SaveIdentity(Identity{System: system, Incarnation: "b1"})
		}, "do not belong together"},
		"another system's": {func(l Layout) error { return l.SaveIdentity(Identity{System: "9999", Incarnation: "a1"}) }, "names system"},
		"an empty WAL directory": {func(l Layout) error {
			return remove(filepath.Join(l.PGData(), "pg_wal", "000000010000000000000001"))
		}, "log is empty"},
		"a missing WAL directory": {func(l Layout) error { return remove(filepath.Join(l.PGData(), "pg_wal")) }, "log is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			l := layout(t)
			dataDirectory(t, l.PGData())
			save(t, l, whole)
			if err := c.spoil(l); err != nil {
				t.Fatal(err)
			}
			got := inspected(t, l)
			if got.Whole != (c.damage == "") || !strings.Contains(got.Damage, c.damage) || !got.HasPGData {
				t.Errorf("inspected %+v; want damage %q", got, c.damage)
			}
		})
	}
}

func TestNothingIsNothing(t *testing.T) {
	if got := inspected(t, layout(t)); got.HasIdentity || got.HasPGData || got.Whole || got.Unfinished != nil {
		t.Errorf("inspected %+v", got)
	}
}

func TestADataDirectoryInTheMakingIsNotData(t *testing.T) {
	l := layout(t)
	dataDirectory(t, l.NewPGData())
	got := inspected(t, l)
	if got.HasPGData || got.Whole || got.Unfinished == nil || got.Unfinished.SystemIdentifier != system {
		t.Errorf("inspected %+v", got)
	}
	if err := l.Place(); err != nil {
		t.Fatal(err)
	}
	save(t, l, Identity{System: system, Incarnation: "a1"})
	if got := inspected(t, l); !got.Whole || got.Unfinished != nil {
		t.Errorf("once placed: %+v", got)
	}
}

func TestClearTakesOnlyWhatIsInTheMaking(t *testing.T) {
	l := layout(t)
	dataDirectory(t, l.NewPGData())
	if err := os.MkdirAll(l.WALDirectory(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Clear(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{l.NewPGData(), l.WALDirectory()} {
		if there, _ := exists(path); there {
			t.Errorf("%s is still there", path)
		}
	}
	dataDirectory(t, l.PGData())
	if err := l.Clear(); err == nil {
		t.Error("the WAL of a data directory in its place would have gone")
	}
}

func TestDiscardedDataCannotBeTakenForData(t *testing.T) {
	l := layout(t)
	dataDirectory(t, l.PGData())
	for range 2 { // again after a crash
		if err := l.Discard(); err != nil {
			t.Fatal(err)
		}
	}
	if got := inspected(t, l); got.HasPGData {
		t.Errorf("inspected %+v", got)
	}
}

func TestADamagedIdentityIsAnErrorAndNotAnEmptyVolume(t *testing.T) {
	l := layout(t)
	if err := os.WriteFile(identityFile(l.Data), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Inspect(t.Context(), readControl); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("inspected with %v", err)
	}
}

func TestARenewalIsNotWrittenDownButEverythingElseIs(t *testing.T) {
	record := election.Record{Term: 2, Timeline: 2, Revision: 50, Quorum: election.Quorum{Members: map[string]string{"a1": "shop-1"}},
		History: []election.Fork{{Term: 1, Timeline: 1, At: "0/0"}, {Term: 2, Timeline: 2, At: "0/5"}}}
	var identity Identity
	if !identity.See(record) {
		t.Fatal("a first record is not written down")
	}
	if identity.Lineage.Term(2) != 2 || identity.Lineage.Term(1) != 1 || identity.Lineage.Term(9) != 2 {
		t.Errorf("terms %d, %d, %d", identity.Lineage.Term(2), identity.Lineage.Term(1), identity.Lineage.Term(9))
	}
	for name, c := range map[string]struct {
		change func(*election.Record)
		write  bool
	}{
		"a renewal":          {func(r *election.Record) { r.Revision++ }, false},
		"many renewals":      {func(r *election.Record) { r.Revision += election.RevisionMargin / 2 }, true},
		"a term":             {func(r *election.Record) { r.Term++ }, true},
		"a timeline":         {func(r *election.Record) { r.Timeline++ }, true},
		"a member":           {func(r *election.Record) { r.Quorum.Members["b1"] = "shop-2" }, true},
		"a fork":             {func(r *election.Record) { r.History = append(r.History, election.Fork{Term: 3, Timeline: 3}) }, true},
		"an older term only": {func(r *election.Record) { r.Term = 1 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			seen, next := identity, record.Copy()
			seen.Lineage = maps.Clone(identity.Lineage)
			c.change(&next)
			if got := seen.See(next); got != c.write {
				t.Errorf("written: %v", got)
			}
			if next.Revision-seen.Revision >= election.RevisionMargin {
				t.Errorf("revision %d on disk, %d seen: further apart than the margin", seen.Revision, next.Revision)
			}
			if seen.Term < identity.Term {
				t.Error("the highest term went back")
			}
		})
	}
}

func TestTheRenewalThatEndsAVoteIsWrittenDown(t *testing.T) {
	record := election.Record{Term: 2, Revision: 50}
	var identity Identity
	identity.See(record)
	identity.Promise = 50
	record.Revision = 51
	if !identity.See(record) || identity.Revision != 51 {
		t.Errorf("after a restart the vote would count still: revision %d", identity.Revision)
	}
	record.Revision = 52
	if identity.See(record) {
		t.Error("the renewal after that is written down as well")
	}
}

func TestIncarnationsDiffer(t *testing.T) {
	a, b := NewIncarnation(), NewIncarnation()
	if a == b || len(a) != 12 {
		t.Errorf("%q, %q", a, b)
	}
}

func TestVolumesThatAnswerWithErrorsAreToldFromThoseThatAreFull(t *testing.T) {
	for broken, is := range map[error]bool{
		nil: false, syscall.ENOSPC: false, syscall.EDQUOT: false, syscall.EACCES: false, syscall.ENOENT: false, syscall.EROFS: true, syscall.EIO: true, syscall.ESTALE: true,
	} {
		var err error
		if broken != nil {
			err = &fs.PathError{Op: "write", Path: probeFile, Err: broken}
		}
		probe := NewWriteProbe(Layout{}, func(string, time.Duration, error) {})
		probe.note(breaks(err))
		later := time.Now().Add(time.Minute)
		if fails := probe.Fails(later); (fails > 0) != is {
			t.Errorf("%v: it fails for %s", err, fails)
		}
		probe.note(true)
		if fails := probe.Fails(later); fails < 59*time.Second || probe.Waits(later) != 0 {
			t.Errorf("%v, and then an error: it fails for %s", err, fails)
		}
		probe.note(false)
		if fails := probe.Fails(later); fails != 0 {
			t.Errorf("it takes writes, and fails for %s", fails)
		}
	}
}
