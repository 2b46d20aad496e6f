package instance

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

// rewindName is the application_name of a rewind: not a member's.
const rewindName = "timonier_rewind"

// rewindJob is what it is called as work beside the loop.
const rewindJob = "rewind"

// rewind takes back what this copy has and the leader has not. Its incarnation stays, since it keeps what was acknowledged. Where that fails the
// leader's data is cloned again.
func (m *Manager) rewind() error {
	record := m.lastRecord()
	leader, heard := m.peers.Beat(record.Holder)
	writes := cmp.Or(leader.Timeline, record.Timeline) // one of an earlier version does not say it
	if !heard || leader.Broken || leader.CheckpointTimeline != writes {
		return fmt.Errorf("this copy has WAL that the leader has not; it is rewound once %s has written a checkpoint on timeline %d", record.Holder, writes)
	}
	if m.process.running() {
		m.following.diverged = true
		return m.stop(supervisor.Fast) // pg_rewind needs a server that was stopped in order
	}
	m.following.diverged = false
	identity := &m.contents.Identity
	identity.Rewinding = true
	if err := m.saveIdentity(*identity); err != nil {
		return err
	}
	rewound := *identity // the loop tells others of its own meanwhile
	rewound.Rewinding, rewound.Rewound = false, record.Term
	m.log.Warn("rewinding to where this copy left the leader's line", "leader", record.Holder, "timeline", m.contents.Control.Timeline(), "position", m.reaches().String())
	m.begin(rewindJob, instanceapi.StateRewinding, "taking back what the leader has not", func(ctx context.Context) error {
		connection := append(m.leaderConnection(record.Address, rewindName), postgres.ConnParameter{Key: "dbname", Value: "postgres"})
		m.options.Step("rewind: begin")
		// Not twice over the same copy, nor with a recovery of its own: then it finds nothing to do where there is, and what it recovers diverges.
		_, err := m.programs.Run(ctx, "pg_rewind", "--no-ensure-shutdown", "--target-pgdata="+m.options.Volumes.PGData(), "--source-server="+postgres.Conninfo(connection...))
		m.options.Step("rewind: done")
		if err != nil {
			return fmt.Errorf("rewinding: %w", err)
		}
		// Judged by history files alone it may find nothing to do. What it did, a server that starts recovers from this file.
		if _, err := os.Stat(filepath.Join(m.options.Volumes.PGData(), "backup_label")); err != nil {
			return fmt.Errorf("rewinding: pg_rewind found nothing to take back, although this copy has diverged: %w", err)
		}
		return m.options.Volumes.SaveIdentity(rewound)
	})
	m.job.failed = func(err error) { m.cloneAgain(err.Error()) }
	return nil
}

// useless tells why this copy cannot be started, "" where it can: a rewind was interrupted, or the leader whose WAL it needs to be consistent is gone.
func (m *Manager) useless() string {
	identity, record := m.contents.Identity, m.lastRecord()
	switch {
	case identity.Rewinding:
		return "a rewind was interrupted"
	case identity.Rewound != 0 && record.Holder != "" && identity.Rewound != record.Term:
		return fmt.Sprintf("this copy was rewound from the leader of term %d, which does not lead any more", identity.Rewound)
	}
	return ""
}
