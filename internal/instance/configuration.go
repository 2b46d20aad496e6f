package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/timonier-io/timonier/internal/instance/volumes"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// Files beside PGDATA.
const (
	currentFile  = "configuration.json"      // in force, but for what waits for a restart
	goodFile     = "configuration.good.json" // the last with which postgres came up
	rejectedFile = "configuration.rejected.json"
)

// configurations are what the operator sent: the one in force, the last good one, and why another was refused. Safe for concurrent use.
type configurations struct {
	directory string

	mu       sync.Mutex
	current  *instanceapi.Configuration
	good     *instanceapi.Configuration
	rejected *instanceapi.Rejection
}

func loadConfigurations(directory string) (*configurations, error) {
	c := &configurations{directory: directory}
	for file, target := range map[string]any{currentFile: &c.current, goodFile: &c.good, rejectedFile: &c.rejected} {
		content, err := os.ReadFile(filepath.Join(directory, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the configuration: %w", err)
		}
		if err := json.Unmarshal(content, target); err != nil {
			return nil, fmt.Errorf("the configuration in %s is damaged: %w", file, err)
		}
	}
	return c, nil
}

// inForce is the configuration to run with.
func (c *configurations) inForce() (instanceapi.Configuration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return instanceapi.Configuration{}, false
	}
	return *c.current, true
}

func (c *configurations) revision() string {
	current, _ := c.inForce()
	return current.Revision
}

func (c *configurations) rejection() *instanceapi.Rejection {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rejected
}

// use takes a configuration for the time being: it is in force until keep makes it last, or another is used.
func (c *configurations) use(configuration *instanceapi.Configuration) (former *instanceapi.Configuration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	former, c.current = c.current, configuration
	return former
}

// keep makes the configuration in force last.
func (c *configurations) keep() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.save(currentFile, c.current); err != nil {
		return err
	}
	c.rejected = nil
	return c.save(rejectedFile, nil)
}

// reject notes why a configuration was refused.
func (c *configurations) reject(revision, message string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rejected = &instanceapi.Rejection{Revision: revision, Message: message}
	return c.save(rejectedFile, c.rejected)
}

// onTrial tells whether postgres has not come up with the configuration in force yet, and there is one to go back to.
func (c *configurations) onTrial() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.good != nil && c.current != nil && c.good.Revision != c.current.Revision
}

// cameUp notes that postgres accepts connections with this configuration.
func (c *configurations) cameUp(revision string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil || c.current.Revision != revision || (c.good != nil && c.good.Revision == revision) {
		return
	}
	if err := c.save(goodFile, c.current); err == nil { // not noted: the former good one stays, which is good too
		c.good = c.current
	}
}

// giveBack goes back to the last good configuration. It tells whether there is one, and what had changed since.
func (c *configurations) giveBack() (restored bool, changed string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.good == nil || c.current == nil || c.good.Revision == c.current.Revision {
		return false, "", nil
	}
	changed = differences(*c.good, *c.current)
	c.current = c.good
	return true, changed, c.save(currentFile, c.current)
}

// differences between two configurations, as the fields that people write.
func differences(former, now instanceapi.Configuration) string {
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(now.Parameters)) {
		if before, set := former.Parameters[name]; !set || before != now.Parameters[name] {
			fields = append(fields, "spec.parameters."+name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(former.Parameters)) {
		if _, set := now.Parameters[name]; !set {
			fields = append(fields, "spec.parameters."+name+" (removed)")
		}
	}
	if !slices.Equal(former.HBA, now.HBA) {
		fields = append(fields, "spec.hba")
	}
	return strings.Join(fields, ", ")
}

func (c *configurations) save(file string, value any) error {
	path := filepath.Join(c.directory, file)
	if value == nil {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing %s: %w", file, err)
		}
		return nil
	}
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", file, err)
	}
	if err := volumes.WriteFile(path, content, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return nil
}

// configurationFailed gives a configuration up with which postgres did not come up, and says so.
func (m *Manager) configurationFailed(revision, why string) {
	if revision != m.configuration.revision() {
		return
	}
	restored, changed, err := m.configuration.giveBack()
	if err != nil {
		m.log.Error("the former configuration is not restored", "error", err.Error())
	}
	if !restored {
		return
	}
	if changed == "" {
		changed = "the configuration"
	}
	message := fmt.Sprintf("PostgreSQL did not start with what was changed (%s): %s; the former values are in force. Correct what was changed", changed, why)
	if err := m.configuration.reject(revision, message); err != nil {
		m.log.Error("the rejection is not noted", "error", err.Error())
	}
	m.process.notBefore, m.process.failures = m.turnTime(), 0
	m.log.Error("configuration rejected", "revision", revision, "reason", why, "inForce", m.configuration.revision())
}
