// Package volumes knows what lies on the volumes of an instance, and changes it so
// that a crash between any two steps leaves something that the next start
// understands.
//
//	<data>/identity.json        who this copy of the data is; beside PGDATA, which clones overwrite
//	<data>/configuration.json   what the operator sent last (package instance writes it)
//	<data>/pgdata               PGDATA
//	<data>/pgdata.new           PGDATA in the making: initdb or a clone
//	<wal>/identity.json         the same identity, on the WAL volume where there is one
//	<wal>/pg_wal                the target of pgdata/pg_wal
//
// layout.go has the paths, durable.go writes that survive a crash, identity.go the
// identity, inspect.go what is there, place.go the steps that make, place and discard PGDATA.
package volumes

import "path/filepath"

// Layout is where the volumes are mounted.
type Layout struct {
	// Data volume.
	Data string
	// WAL volume; "" where the WAL is on the data volume.
	WAL string
}

// PGData is PGDATA.
func (l Layout) PGData() string { return filepath.Join(l.Data, "pgdata") }

// NewPGData is PGDATA in the making.
func (l Layout) NewPGData() string { return filepath.Join(l.Data, "pgdata.new") }

// WALDirectory on the WAL volume; "" where there is none.
func (l Layout) WALDirectory() string {
	if l.WAL == "" {
		return ""
	}
	return filepath.Join(l.WAL, "pg_wal")
}

// mounts are the directories that each hold an identity.
func (l Layout) mounts() []string {
	if l.WAL == "" {
		return []string{l.Data}
	}
	// The WAL volume first: an identity on the data volume then means that both have it.
	return []string{l.WAL, l.Data}
}

// volume is what a mount is called in metrics.
func (l Layout) volume(mount string) string {
	if l.WAL != "" && mount == l.WAL {
		return "wal"
	}
	return "data"
}

func identityFile(mount string) string { return filepath.Join(mount, "identity.json") }
