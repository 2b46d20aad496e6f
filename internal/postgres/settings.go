package postgres

// SettingsInput is all that postgresql.conf depends on.
type SettingsInput struct {
	// Major version, "15" or "17".
	Major string
	// Instance is the instance's name; it becomes cluster_name, and so part of the process titles.
	Instance string
	// Port that PostgreSQL listens on; 0 means naming.PortPostgres.
	Port int
	// SocketDirectory holds the local socket.
	SocketDirectory string
	// CertificateFile, KeyFile and CAFile: the server's certificate, its key, and the
	// authorities whose client certificates (of replication) are admitted. TLS is off where all are empty,
	// which tests use; an instance always has them.
	CertificateFile, KeyFile, CAFile string
	// LogDirectory and LogFile: the logging collector writes to LogDirectory/LogFile.json. LogFile is
	// without the ending, which PostgreSQL adds for jsonlog. The manager makes that a FIFO and reads it.
	LogDirectory, LogFile string
	// HBAFile and IdentFile, where they are not in the data directory; may be empty.
	HBAFile, IdentFile string
	// PrimarySlotName is this instance's slot on the leader (naming.Slot); empty for none.
	PrimarySlotName string
	// SynchronousStandbyNames as this instance is to have it if it leads; empty for none.
	SynchronousStandbyNames string
	// Floor: on a standby, what its primary ran with (ControlData.StandbySensitive); nil on a primary.
	// Values of StandbySensitive are raised to it.
	Floor map[string]int64
	// Parameters of the user, that CheckParameters had nothing to say about.
	Parameters map[string]string
	// MemoryBytes that the container may use; 0 where there is no limit and no request.
	MemoryBytes int64
	// WALVolumeBytes is the size of the volume on which the WAL is; 0 where it is not known.
	WALVolumeBytes int64
}

// Source tells where a value comes from.
type Source string

const (
	// SourceTimonier: users cannot change it.
	SourceTimonier Source = "Timonier"
	// SourceDefault: Timonier's default, that users may change.
	SourceDefault Source = "Default"
	// SourceUser: spec.parameters.
	SourceUser Source = "User"
)

// EffectiveSetting is one line of postgresql.conf.
type EffectiveSetting struct {
	Name, Value string
	Source      Source
	// Reason why Timonier sets it; empty for SourceUser.
	Reason string
}

// EffectiveSettings is everything that postgresql.conf is to say, sorted by name.
func EffectiveSettings(in SettingsInput) []EffectiveSetting { return nil }

// RenderSettings is the content of postgresql.conf: EffectiveSettings, quoted, each with its reason.
// Equal input gives equal text. Values cannot break out of their line, whether they were checked or not.
func RenderSettings(in SettingsInput) string { return "" }

// DesiredStandbySensitive are the values of StandbySensitive that these parameters of
// a user lead to, Timonier's and PostgreSQL's defaults included; what RestartOrderFor compares.
func DesiredStandbySensitive(major string, parameters map[string]string) map[string]int64 { return nil }

// NeedsRestart tells which of these names take effect only when PostgreSQL is restarted; unknown names are left out.
func NeedsRestart(major string, names []string) []string { return nil }
