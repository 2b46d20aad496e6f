package instance

import (
	"context"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

// Statuses of all instances, as they are now: so that who has many clusters to look after asks one instance of each.
func (m *Manager) Statuses(ctx context.Context) (instanceapi.Statuses, error) {
	var others []string
	if err := m.do(ctx, func() error { others = m.others(); return nil }); err != nil {
		return instanceapi.Statuses{}, err
	}
	found := m.statuses.Collect(ctx, others)
	return instanceapi.Statuses{Own: m.Status(), Others: found}, nil
}
