package instance

import (
	"context"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/server"
	"github.com/timonier-io/timonier/internal/postgres"
)

// enforced tells whether what PostgreSQL was told of the quorum is so in every process that could release a commit.
// SHOW does not tell: the checkpointer switches waiting on and off for all backends, and each walsender releases commits by its own copy.
type enforced struct {
	effective bool
	// at is how much WAL was on disk when that was seen: what came before may have been released under a former setting.
	at postgres.LSN
	// checkpointed: the checkpointer has taken the setting, since a checkpoint was completed after it.
	checkpointed bool
	// stale are the walsenders of before, nil before they were looked for.
	stale []server.Walsender
}

// tellQuorum writes down whom commits wait for, and then configures it. A restarted server starts with that, never with less.
func (m *Manager) tellQuorum(quorum election.Quorum, term int64) error {
	identity := &m.contents.Identity
	p := &m.process
	told := quorum.Copy()
	before, beforeTerm := identity.Told, identity.ToldTerm
	identity.Told, identity.ToldTerm = &told, term
	m.options.Step("tell: begin")
	if err := m.saveIdentity(*identity); err != nil {
		identity.Told, identity.ToldTerm = before, beforeTerm
		return err
	}
	// Whoever releases a commit under what was effective before satisfies a weaker one too.
	loosened := p.enforced.effective && before != nil && before.Implies(told) && beforeTerm == term
	empty := before == nil || synchronousStandbyNames(before, beforeTerm, identity.Incarnation) == ""
	if empty {
		p.checkpoint = nil // one that is under way began before
	}
	if !loosened {
		p.enforced = enforced{checkpointed: p.enforced.checkpointed && !empty}
	}
	if !p.running() {
		return nil
	}
	m.log.Info("quorum told to postgres", "members", told.Names(), "required", told.Required, "mode", string(told.Mode), "term", term)
	return m.syncFiles()
}

// makeEffective sees to it that nobody is left who would release a commit under a former setting.
func (m *Manager) makeEffective(ctx context.Context) (done bool, err error) {
	p := &m.process
	loaded, err := m.sql.LoadedAt(ctx)
	if err != nil || loaded.Before(p.filesAt) {
		return false, err
	}
	if !p.enforced.checkpointed {
		done, err := m.checkpointed(ctx)
		p.enforced.checkpointed = done
		return done, err
	}
	observation, err := m.sql.Observe(ctx)
	if err != nil {
		return false, err
	}
	if p.enforced.stale == nil {
		p.enforced.stale = []server.Walsender{}
		for _, replica := range observation.Replicas {
			// What the postmaster started since it has read the files has the setting from there.
			if !replica.Walsender.StartedAt.After(loaded) {
				p.enforced.stale = append(p.enforced.stale, replica.Walsender)
			}
		}
	}
	left := 0
	for _, replica := range observation.Replicas {
		for _, stale := range p.enforced.stale {
			if replica.Walsender == stale {
				left++
				if err := m.sql.TerminateWalsender(ctx, stale); err != nil {
					return false, err
				}
			}
		}
	}
	if left > 0 {
		return false, nil
	}
	p.observation = m.toldApart(observation)
	p.enforced.effective, p.enforced.at = true, observation.Flushed
	return true, nil
}

// checkpointed tells whether a checkpoint was completed that was begun after this was first asked. It is made beside the loop, for it may take long.
func (m *Manager) checkpointed(ctx context.Context) (done bool, err error) {
	p := &m.process
	if p.checkpoint == nil {
		p.checkpoint = make(chan error, 1)
		result := p.checkpoint
		go func() {
			result <- m.sql.Checkpoint(context.WithoutCancel(ctx))
			m.wake()
		}()
		return false, nil
	}
	select {
	case err = <-p.checkpoint:
		p.checkpoint = nil
		return err == nil, err
	default:
		return false, nil
	}
}

// synchronousStandbyNames is the setting for what an instance was told: the other members, of whom one less than required.
func synchronousStandbyNames(told *election.Quorum, term int64, self string) string {
	if told == nil || told.Mode != election.ModeQuorum {
		return ""
	}
	var names []string
	for incarnation, instance := range told.Members {
		if incarnation != self {
			names = append(names, server.ApplicationName(instance, incarnation, term))
		}
	}
	return postgres.SynchronousStandbyNames(told.Required-1, names)
}
