package instance

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/instance/access"
	"github.com/timonier-io/timonier/internal/instance/api"
	"github.com/timonier-io/timonier/internal/instance/programs"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instance/volumes"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
)

// effectPatience is how long a running server may take to read a changed configuration.
const effectPatience = 10 * time.Second

// Status is what this instance knows of itself, at the loop's last turn.
func (m *Manager) Status() instanceapi.Status { return *m.published.Load() }

// InForce is the configuration in force.
func (m *Manager) InForce() (instanceapi.Configuration, bool) { return m.configuration.inForce() }

// Metrics of the server.
func (m *Manager) Metrics() http.Handler { return m.metrics }

// Configure checks a configuration, lets the server read it, and keeps it once that has taken effect. Refused, the former one stays.
func (m *Manager) Configure(ctx context.Context, wanted instanceapi.Configuration) (instanceapi.Status, error) {
	m.applying.Lock()
	defer m.applying.Unlock()
	if err := ctx.Err(); err != nil {
		return instanceapi.Status{}, err // it waited for another one for too long
	}
	current, known := m.configuration.inForce()
	if rejected := m.configuration.rejection(); rejected != nil && rejected.Revision == wanted.Revision {
		return instanceapi.Status{}, api.Rejected(rejected.Message)
	}
	if known && current.Revision == wanted.Revision && m.configuration.rejection() == nil {
		return m.Status(), nil
	}
	if wanted.Revision == "" || !slices.Contains(wanted.Instances, m.options.Instance) {
		return instanceapi.Status{}, api.Rejected("the configuration needs a revision, and this instance among its instances")
	}
	if err := m.checkCandidate(ctx, wanted); err != nil {
		return instanceapi.Status{}, m.refuse(wanted, err)
	}
	if err := m.tryConfiguration(ctx, wanted); err != nil {
		return instanceapi.Status{}, err
	}
	m.log.Info("configuration in force", "revision", wanted.Revision, "instances", wanted.Instances)
	return m.freshStatus(ctx)
}

// checkCandidate lets the server's program parse the candidate: it finds unknown names and values that it does not take.
func (m *Manager) checkCandidate(ctx context.Context, wanted instanceapi.Configuration) error {
	var content string
	err := m.do(ctx, func() error {
		content = postgres.RenderSettings(m.settingsInput(wanted, !m.process.primary))
		return nil
	})
	if err != nil {
		return err
	}
	if err := volumes.WriteFile(m.options.candidateFile(), []byte(content), 0o600); err != nil {
		return fmt.Errorf("writing the candidate: %w", err)
	}
	err = m.programs.CheckConfiguration(ctx, m.options.candidateFile())
	if err != nil && !programs.Complained(err) {
		return fmt.Errorf("checking the configuration: %w", err) // nobody waits any more, or the program could not be run
	}
	if err != nil {
		complaints := strings.Join(programs.Complaints(err), "; ")
		return api.Rejected(strings.ReplaceAll(complaints, ` in file "`+m.options.candidateFile()+`"`, ""))
	}
	return nil
}

// tryConfiguration uses it, sees that a running server took it, and keeps it; or goes back to the former one.
func (m *Manager) tryConfiguration(ctx context.Context, wanted instanceapi.Configuration) error {
	var former *instanceapi.Configuration
	var running bool
	var since time.Time
	err := m.do(ctx, func() error {
		former = m.configuration.use(&wanted)
		running = m.process.observation != nil && !m.process.stopping()
		since = m.process.filesAt
		if !running {
			return nil
		}
		err := m.syncFiles()
		since = m.process.filesAt
		return err
	})
	if err == nil && running {
		err = m.awaitEffect(ctx, since)
	}
	if err == nil {
		return m.do(ctx, m.configuration.keep)
	}
	back := m.do(context.WithoutCancel(ctx), func() error {
		m.configuration.use(former)
		if former == nil || m.process.observation == nil {
			return nil
		}
		return m.syncFiles()
	})
	if back != nil {
		m.log.Error("the former configuration is not restored", "error", back.Error())
	}
	return m.refuse(wanted, err)
}

// awaitEffect waits until the server has read its files after this moment, and has nothing to say against them.
func (m *Manager) awaitEffect(ctx context.Context, since time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, effectPatience)
	defer cancel()
	for {
		loaded, err := m.sql.LoadedAt(ctx)
		if err != nil {
			return err
		}
		complaints, err := m.sql.Refused(ctx)
		if err != nil {
			return err
		}
		if complaints != "" {
			return api.Rejected(strings.ReplaceAll(complaints, filepath.Join(m.options.Volumes.PGData(), ""), ""))
		}
		if !loaded.Before(since) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("postgres has not read its configuration within %s", effectPatience)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// refuse notes a rejection for the status; other errors pass as they are.
func (m *Manager) refuse(wanted instanceapi.Configuration, err error) error {
	refusal, ok := asRefusal(err)
	if !ok {
		return err
	}
	message := "PostgreSQL refuses this configuration: " + refusal.Message + "; the former values are in force. Correct spec.parameters or spec.hba"
	m.log.Warn("configuration rejected", "revision", wanted.Revision, "reason", refusal.Message)
	if err := m.configuration.reject(wanted.Revision, message); err != nil {
		m.log.Error("the rejection is not noted", "error", err.Error())
	}
	m.wake()
	return api.Rejected(message)
}

// Grant makes roles and databases be as asked.
func (m *Manager) Grant(ctx context.Context, wanted instanceapi.Access) (instanceapi.AccessReport, error) {
	if !m.Status().Leader {
		return instanceapi.AccessReport{}, api.NotLeader(m.options.Instance)
	}
	return access.Apply(ctx, func(ctx context.Context, database string) (*pgx.Conn, error) {
		return m.sql.Connect(ctx, naming.Superuser, database)
	}, wanted)
}

// Restart stops the server; the loop starts it again, with the configuration in force. Its progress is in the status.
func (m *Manager) Restart(ctx context.Context, request instanceapi.RestartRequest) (instanceapi.Status, error) {
	m.applying.Lock()
	defer m.applying.Unlock()
	err := m.do(ctx, func() error {
		p := &m.process
		switch {
		case request.Revision != m.configuration.revision():
			return api.Busy(fmt.Sprintf("configuration %s is not in force here; send it first", request.Revision))
		case m.job != nil || !p.running() || p.stopping():
			return api.Busy("postgres does not run; it starts with the configuration in force anyway")
		}
		p.restarting, p.restartAsked = true, time.Now()
		m.log.Info("restart asked for", "configuration", request.Revision, "pending", p.pending)
		return m.stop(supervisor.Fast)
	})
	if err != nil {
		return instanceapi.Status{}, err
	}
	return m.freshStatus(ctx)
}

// freshStatus is the status after a turn of the loop that began after now.
func (m *Manager) freshStatus(ctx context.Context) (instanceapi.Status, error) {
	err := m.do(ctx, func() error {
		m.process.pendingAt = time.Time{}
		if err := m.observeServer(ctx); err != nil && !m.process.stopping() {
			m.log.Debug("the status lacks what postgres says", "error", err.Error())
		}
		m.publish()
		return nil
	})
	return m.Status(), err
}
