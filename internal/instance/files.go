package instance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/timonier-io/timonier/internal/instance/certificates"
	"github.com/timonier-io/timonier/internal/instance/logs"
	"github.com/timonier-io/timonier/internal/instance/volumes"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
)

// Files of PGDATA that are rendered.
const (
	settingsFile = "postgresql.conf"
	hbaFile      = "pg_hba.conf"
	identFile    = "pg_ident.conf"
	// autoFile is where ALTER SYSTEM writes. It is emptied at every start: settings come from the spec alone.
	autoFile = "postgresql.auto.conf"
)

// room that this instance has: the memory of the container and the size of the volume that holds the WAL, in bytes, 0 where that cannot be told.
type room struct {
	memory, wal int64
	at          time.Time
}

// measureRoom now and then: both may grow while it runs.
func (m *Manager) measureRoom() {
	if time.Since(m.room.at) >= roomEvery {
		m.room = room{memoryLimit(), m.walVolumeBytes(), time.Now()}
	}
}

const roomEvery = 10 * time.Second

// settingsInput is what postgresql.conf is rendered from. standby tells whether the control file's values are a floor.
func (m *Manager) settingsInput(configuration instanceapi.Configuration, standby bool) postgres.SettingsInput {
	m.measureRoom()
	input := postgres.SettingsInput{
		Major: m.options.Major, Instance: m.options.Instance, Port: naming.PortPostgres,
		SocketDirectory: m.options.socketDirectory(),
		CertificateFile: m.certificates.Copy(certificates.ServerCertificate),
		KeyFile:         m.certificates.Copy(certificates.ServerKey),
		CAFile:          m.certificates.Copy(certificates.PeerCA),
		LogDirectory:    m.options.logDirectory(), LogFile: logs.FileName,
		PrimarySlotName: naming.Slot(m.options.Instance),
		Parameters:      configuration.Parameters,
		MemoryBytes:     m.room.memory,
		WALVolumeBytes:  m.room.wal,
	}
	input.SynchronousStandbyNames = synchronousStandbyNames(m.contents.Identity.Told, m.contents.Identity.ToldTerm, m.contents.Identity.Incarnation)
	if standby {
		input.Floor = m.contents.Control.StandbySensitive
	}
	return input
}

func (m *Manager) hbaInput(configuration instanceapi.Configuration, open bool) postgres.HBAInput {
	return postgres.HBAInput{Open: open, Lines: configuration.HBA}
}

// rendered are all configuration files as they are to be.
func (m *Manager) rendered(standby, open bool) (map[string]string, error) {
	configuration, known := m.configuration.inForce()
	if !known {
		return nil, errors.New("no configuration is known")
	}
	settings, hba := m.settingsInput(configuration, standby), m.hbaInput(configuration, open)
	if r := &m.rendering; r.files == nil || !reflect.DeepEqual(r.settings, settings) || !reflect.DeepEqual(r.hba, hba) {
		m.rendering = rendering{settings, hba, map[string]string{
			settingsFile: postgres.RenderSettings(settings),
			hbaFile:      postgres.RenderHBA(hba),
			identFile:    postgres.RenderIdent(hba),
		}}
	}
	return m.rendering.files, nil
}

// rendering is what was rendered last, and from what. Every turn asks for it, and it seldom differs. With this and the like, as in heartbeat.go and
// duties_leader.go, an idle instance manager came from 10 to 11 millicores to 3.3 to 4.3.
type rendering struct {
	settings postgres.SettingsInput
	hba      postgres.HBAInput
	files    map[string]string
}

// writeFiles writes those that differ from what was written last, and tells whether any did.
func (m *Manager) writeFiles(files map[string]string) (changed bool, err error) {
	for name, content := range files {
		if m.process.files[name] == content {
			continue
		}
		if err := volumes.WriteFile(filepath.Join(m.options.Volumes.PGData(), name), []byte(content), 0o600); err != nil {
			return changed, fmt.Errorf("writing PostgreSQL's configuration: %w", err)
		}
		changed = true
	}
	if changed {
		m.process.files, m.process.filesAt = files, time.Now()
	}
	return changed, nil
}

// prepareFiles writes everything that a server reads when it starts.
func (m *Manager) prepareFiles(standby, open bool) error {
	files, err := m.rendered(standby, open)
	if err != nil {
		return err
	}
	m.process.files = nil // a clone or a person may have changed them
	if _, err := m.writeFiles(files); err != nil {
		return err
	}
	pgdata := m.options.Volumes.PGData()
	if err := volumes.WriteFile(filepath.Join(pgdata, autoFile), []byte("# Emptied at every start; settings come from the PostgresCluster.\n"), 0o600); err != nil {
		return fmt.Errorf("emptying %s: %w", autoFile, err)
	}
	signal := filepath.Join(pgdata, "standby.signal")
	if standby {
		return volumes.WriteFile(signal, nil, 0o600)
	}
	if err := os.Remove(signal); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("removing the standby's mark: %w", err)
	}
	return nil
}

// syncFiles brings the files of a running server up to date and lets it read them.
func (m *Manager) syncFiles() error {
	p := &m.process
	files, err := m.rendered(!p.primary, p.door)
	if err != nil {
		return err
	}
	changed, err := m.writeFiles(files)
	if err != nil || !changed {
		return err
	}
	p.pendingAt = time.Time{}
	return p.postmaster.Reload()
}

// leaderConnection is how this instance reaches the leader's server: verified by the one name that every member's certificate carries, without DNS.
func (m *Manager) leaderConnection(address, applicationName string) []postgres.ConnParameter {
	return []postgres.ConnParameter{
		{Key: "host", Value: naming.LeaderHost(m.options.Cluster, m.options.Namespace)},
		{Key: "hostaddr", Value: address},
		{Key: "port", Value: strconv.Itoa(naming.PortPostgres)},
		{Key: "user", Value: naming.ReplicationRole},
		{Key: "sslmode", Value: "verify-full"},
		{Key: "sslrootcert", Value: m.certificates.Copy(certificates.ClientCA)},
		{Key: "sslcert", Value: m.certificates.Copy(certificates.ReplicationCertificate)},
		{Key: "sslkey", Value: m.certificates.Copy(certificates.ReplicaKey)},
		{Key: "application_name", Value: applicationName},
		{Key: "connect_timeout", Value: "3"},
		{Key: "keepalives_idle", Value: "5"},
		{Key: "keepalives_interval", Value: "2"},
		{Key: "keepalives_count", Value: "3"},
		{Key: "tcp_user_timeout", Value: "5000"},
	}
}

// memoryLimit of the container, 0 where there is none: that of its cgroup, of either version, whoever set it.
func memoryLimit() int64 {
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if content, err := os.ReadFile(file); err == nil {
			return limitOf(string(content))
		}
	}
	return 0
}

// limitOf a cgroup's file: “max” in version 2, and the greatest number of pages in version 1, mean that there is none.
func limitOf(content string) int64 {
	limit, err := strconv.ParseInt(strings.TrimSpace(content), 10, 64)
	if err != nil || limit >= 1<<62 {
		return 0
	}
	return limit
}

// walVolumeBytes is the size of the volume that holds the WAL, 0 where it cannot be told.
func (m *Manager) walVolumeBytes() int64 {
	directory := m.options.Volumes.WAL
	if directory == "" {
		directory = m.options.Volumes.Data
	}
	var stat syscall.Statfs_t
	if err := syscall.Statfs(directory, &stat); err != nil {
		return 0
	}
	return int64(stat.Blocks) * stat.Bsize
}
