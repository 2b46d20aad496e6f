package instance

import (
	"context"
	"time"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

// What the status tells of commits that nobody protects is kept here: those that were returned too early, and who asks for no more.

// cancelledWaits are commits that did not wait for their standbys, as the status tells of them.
func (m *Manager) cancelledWaits() *instanceapi.CancelledWaits {
	return &instanceapi.CancelledWaits{Since: m.cancelledSince, Count: m.cancelled.Load()}
}

// overridesEvery is how often a leader looks at who has lowered synchronous_commit.
const overridesEvery = 15 * time.Second

// watchOverrides looks beside the loop: whoever locks the catalogue must not hold that up.
func (m *Manager) watchOverrides(ctx context.Context) {
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(overridesEvery):
		}
		if !m.Status().Leader {
			m.overrides.Store(nil)
			continue
		}
		found, err := m.metrics.SynchronousCommitOverrides(ctx)
		switch {
		case err == nil:
			m.overrides.Store(&found)
			said = ""
		case err.Error() != said: // what was found before stays
			said = err.Error()
			m.log.Warn("not done, trying again", "error", said)
		}
	}
}
