package volumes

import (
	"fmt"
	"os"
)

// Clear removes a PGDATA in the making, and what it had on the WAL volume, so that initdb or a clone can begin.
// It refuses where PGDATA is in place: its WAL would go too.
func (l Layout) Clear() error {
	placed, err := exists(l.PGData())
	if err != nil {
		return err
	}
	if placed {
		return fmt.Errorf("%s exists; it is not overwritten", l.PGData())
	}
	for _, path := range []string{l.NewPGData(), l.WALDirectory()} {
		if path == "" {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("removing an unfinished data directory: %w", err)
		}
	}
	return nil
}

// Place moves the finished PGDATA into its place; from then on it is this instance's data.
func (l Layout) Place() error {
	if err := syncDirectory(l.NewPGData()); err != nil {
		return fmt.Errorf("syncing the new data directory: %w", err)
	}
	if err := Rename(l.NewPGData(), l.PGData()); err != nil {
		return fmt.Errorf("putting the data directory into its place: %w", err)
	}
	return nil
}

// Discard deletes PGDATA. The caller has made sure that a leader lives whose data it can be cloned from, and that
// this copy counts for nobody any more. A crash in the middle leaves no control file, so nothing that could be taken for data.
func (l Layout) Discard() error {
	discarded := l.PGData() + ".old"
	if err := os.RemoveAll(discarded); err != nil {
		return fmt.Errorf("removing a data directory that was discarded before: %w", err)
	}
	if err := Rename(l.PGData(), discarded); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("discarding the data directory: %w", err)
	}
	if err := os.RemoveAll(discarded); err != nil {
		return fmt.Errorf("removing the discarded data directory: %w", err)
	}
	return nil
}
