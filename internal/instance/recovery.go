package instance

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/timonier-io/timonier/internal/instance/volumes"
	"github.com/timonier-io/timonier/internal/postgres"
)

// historyKept is how many forks a record tells of.
const historyKept = 10

// endRecovery promotes to exactly the Lease's timeline: the numbers in between are taken, and no client is left.
func (m *Manager) endRecovery(ctx context.Context) (done bool, err error) {
	p := &m.process
	record := m.lastRecord()
	if p.promoting || !p.observation.InRecovery {
		return false, nil // observeServer notices the end of recovery
	}
	if err := os.Remove(m.historyFile(record.Timeline)); err != nil && !os.IsNotExist(err) {
		return false, fmt.Errorf("freeing timeline %d: %w", record.Timeline, err)
	}
	if err := m.holdTimelines(p.observation.Timeline, record.Timeline); err != nil {
		return false, err
	}
	m.log.Info("promoting", "timeline", record.Timeline, "term", record.Term, "position", p.observation.Replayed.String())
	p.promoting, p.promoteAsked = true, time.Now()
	p.promoteBegan = p.promoteAsked
	m.options.Step("promote: begin")
	return false, m.sql.Promote(ctx)
}

// placeholder is the content of a history file that only keeps a timeline's number from being used. It is a comment, which PostgreSQL skips.
const placeholder = "# timonier: this timeline's number is kept free\n"

// holdTimelines makes a promotion take exactly the number to: PostgreSQL takes the next one without a history file. The files stay, since
// followers ask for every history on the way.
func (m *Manager) holdTimelines(from, to int64) error {
	for timeline := from + 1; timeline < to; timeline++ {
		path := m.historyFile(timeline)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := volumes.WriteFile(path, []byte(placeholder), 0o600); err != nil {
			return fmt.Errorf("keeping timeline %d free: %w", timeline, err)
		}
	}
	return nil
}

// removePlaceholders removes those that no real history follows: a server that starts would take them for the timeline to recover to.
func (m *Manager) removePlaceholders() error {
	files, err := m.historyFiles()
	if err != nil {
		return err
	}
	for _, file := range slices.Backward(files) {
		content, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("looking for placeholders: %w", err)
		}
		if !bytes.Equal(content, []byte(placeholder)) {
			return nil
		}
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("removing a placeholder: %w", err)
		}
	}
	return nil
}

// historiesBeyond a timeline that recovery ended on. They were fetched from a leader of whose WAL nothing, or too little, has come. With them recovery prefers
// the newer file of a segment, ends before what the older one holds, which was acknowledged, and is fatal as soon as a leader is followed; a promotion writes a history that is
// none. That of a promotion which was begun here is no such: its number is taken.
func (m *Manager) historiesBeyond(timeline int64) (files []string, err error) {
	begun := ""
	if record := m.lastRecord(); record.Holder == m.options.Instance {
		begun = m.historyFile(record.Timeline)
	}
	all, err := m.historyFiles()
	if err != nil {
		return nil, err
	}
	for _, file := range all {
		if file <= m.historyFile(timeline) || file == begun {
			continue
		}
		if content, err := os.ReadFile(file); err != nil || !bytes.Equal(content, []byte(placeholder)) {
			files = append(files, file)
		}
	}
	return files, nil
}

// removeUnreached removes the histories for which the server was stopped. It follows a leader only from its own end on, and is then sent them again.
func (m *Manager) removeUnreached() error {
	for _, file := range m.following.unreached {
		if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("removing the history of a timeline that was not reached: %w", err)
		}
	}
	m.following.unreached = nil
	return nil
}

// historyFiles that are in pg_wal, by timeline.
func (m *Manager) historyFiles() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(m.options.Volumes.PGData(), "pg_wal", "*.history"))
	slices.Sort(files)
	return files, err
}

// timelineTaken tells whether a promotion to this number was begun on this volume: a history file is there that is no placeholder. One that cannot be read counts.
func (m *Manager) timelineTaken(timeline int64) bool {
	content, err := os.ReadFile(m.historyFile(timeline))
	return !os.IsNotExist(err) && !bytes.Equal(content, []byte(placeholder))
}

func (m *Manager) historyFile(timeline int64) string {
	return filepath.Join(m.options.Volumes.PGData(), "pg_wal", postgres.HistoryFileName(timeline))
}
