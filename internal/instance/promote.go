package instance

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instance/volumes"
	"github.com/timonier-io/timonier/internal/postgres"
)

// historyKept is how many forks a record tells of.
const historyKept = 10

// promote ends recovery on exactly the Lease's timeline, one step a turn: a detached standby without clients has replayed
// all that there is; the Lease tells where the new timeline forks; the numbers in between are taken; then recovery ends.
func (m *Manager) promote(ctx context.Context) error {
	p := &m.process
	switch {
	case !p.running() || p.attached || p.open:
		return m.measure(ctx)
	case p.observation == nil, p.promoting, !p.observation.InRecovery:
		return nil // observeServer notices the end of recovery
	case !p.observation.Exhausted || p.observation.Receiver != 0:
		return nil
	}
	record := m.lease.record
	position := p.observation.Replayed
	taken, err := m.timelineTaken(record.Timeline)
	if err != nil {
		return err
	}
	if taken || !forksAt(record, position) {
		// A promotion to this number was begun before, or the fork is not told of yet: the promotion takes the next number, under a next term.
		return m.announceFork(ctx, record, position, taken)
	}
	if err := m.holdTimelines(p.observation.Timeline, record.Timeline); err != nil {
		return err
	}
	if sessions, err := m.sql.ClientSessions(ctx); err != nil || sessions > 0 {
		return m.sql.TerminateClients(ctx)
	}
	m.log.Info("promoting", "timeline", record.Timeline, "term", record.Term, "position", position.String())
	p.promoting = true
	m.options.Step("promote: begin")
	return m.sql.Promote(ctx)
}

// announceFork writes into the Lease where its timeline forks, under the next number where this one was used up.
func (m *Manager) announceFork(ctx context.Context, record election.Record, position postgres.LSN, taken bool) error {
	record = m.addressed(record)
	record.Revision++
	if taken {
		record.Term, record.Timeline = record.Term+1, record.Timeline+1
	}
	record.History = slices.DeleteFunc(record.History, func(f election.Fork) bool { return f.Timeline >= record.Timeline })
	record.History = append(record.History, election.Fork{Term: record.Term, Timeline: record.Timeline, At: position.String()})
	record.History = record.History[max(0, len(record.History)-historyKept):]
	return m.writeRecord(ctx, record)
}

// forksAt tells whether the record says that its timeline forks here.
func forksAt(record election.Record, position postgres.LSN) bool {
	return slices.ContainsFunc(record.History, func(f election.Fork) bool {
		return f.Timeline == record.Timeline && f.Term == record.Term && f.At == position.String()
	})
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
	files, err := filepath.Glob(filepath.Join(m.options.Volumes.PGData(), "pg_wal", "*.history"))
	if err != nil {
		return err
	}
	slices.Sort(files)
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

// timelineTaken tells whether a promotion to this number was begun on this volume.
func (m *Manager) timelineTaken(timeline int64) (bool, error) {
	content, err := os.ReadFile(m.historyFile(timeline))
	if os.IsNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking whether timeline %d is taken: %w", timeline, err)
	}
	if bytes.Equal(content, []byte(placeholder)) {
		return false, os.Remove(m.historyFile(timeline))
	}
	return true, nil
}

func (m *Manager) historyFile(timeline int64) string {
	return filepath.Join(m.options.Volumes.PGData(), "pg_wal", postgres.HistoryFileName(timeline))
}

// measure runs the server detached from everybody, without clients, to the end of its WAL; and lets it stay there.
func (m *Manager) measure(ctx context.Context) error {
	p := &m.process
	if !p.running() {
		if ready, err := m.readyToStart(ctx); err != nil || !ready {
			return err
		}
		if err := m.prepareFiles(true, false); err != nil {
			return err
		}
		if err := m.removePlaceholders(); err != nil {
			return err
		}
		if err := m.detach(); err != nil {
			return err
		}
		return m.start(false, false, false)
	}
	if p.primary {
		return m.stop(supervisor.Fast)
	}
	if p.attached || (p.observation != nil && p.observation.Receiver != 0) {
		if err := m.detach(); err != nil {
			return err
		}
	}
	if p.observation == nil || !p.open {
		return nil
	}
	if err := m.setOpen(false); err != nil {
		return err
	}
	loaded, err := m.sql.LoadedAt(ctx)
	if err != nil || loaded.Before(p.filesAt) {
		return err
	}
	p.open = false
	return m.sql.TerminateClients(ctx)
}
