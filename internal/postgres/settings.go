package postgres

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/timonier-io/timonier/internal/postgres/catalogue"
)

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
	// authorities whose client certificates (of replication) are admitted. TLS is off where
	// CertificateFile is empty, which tests use; an instance always has it.
	CertificateFile, KeyFile, CAFile string
	// LogDirectory and LogFile: the logging collector writes JSON to LogDirectory/LogFile.json, and to
	// LogDirectory/LogFile what is not a message of its own, such as the last words of a library. It opens both at start,
	// and that blocks on a FIFO that nobody holds open for reading.
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
	// MemoryBytes that the container may use; 0 where there is no limit.
	MemoryBytes int64
	// WALVolumeBytes is the size of the volume on which the WAL is, the data volume where it has
	// none of its own; 0 where it is not known.
	WALVolumeBytes int64
}

// Source tells where a value comes from.
type Source string

const (
	// SourceTimonier is of what users cannot change.
	SourceTimonier Source = "Timonier"
	// SourceDefault is of Timonier's defaults, that users may change.
	SourceDefault Source = "Default"
	// SourceUser is of spec.parameters.
	SourceUser Source = "User"
)

// EffectiveSetting is one line of postgresql.conf.
type EffectiveSetting struct {
	Name, Value string
	Source      Source
	// Reason why Timonier sets it; of a user's value, what Timonier changed about it, mostly nothing.
	Reason string
}

// EffectiveSettings is everything that postgresql.conf is to say, sorted by name without regard to case.
func EffectiveSettings(in SettingsInput) []EffectiveSetting {
	return slices.SortedFunc(maps.Values(settingsByName(in)), func(a, b EffectiveSetting) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
}

// settingsByName are EffectiveSettings, by the catalogue's spelling of their names.
func settingsByName(in SettingsInput) map[string]EffectiveSetting {
	settings := make(map[string]EffectiveSetting, len(settingsTable)+len(in.Parameters))
	for _, s := range settingsTable {
		if value := s.value(in); value != "" {
			source := SourceTimonier
			if s.overridable {
				source = SourceDefault
			}
			settings[s.name] = EffectiveSetting{Name: s.name, Value: value, Source: source, Reason: s.reason}
		}
	}
	for name, value := range in.Parameters {
		name = canonicalName(in.Major, name)
		// What CheckParameters would refuse and is here nevertheless does not win over Timonier's own.
		if settings[name].Source != SourceTimonier {
			settings[name] = EffectiveSetting{Name: name, Value: value, Source: SourceUser}
		}
	}
	preload(settings)
	raiseToFloor(settings, in)
	return settings
}

// canonicalName is the catalogue's spelling of a name: PostgreSQL takes any case, a map does not.
func canonicalName(major, name string) string {
	if p, ok := catalogue.Lookup(major, name); ok {
		return p.Name
	}
	return strings.ToLower(name)
}

// preload adds Timonier's libraries to the user's.
func preload(settings map[string]EffectiveSetting) {
	const name = "shared_preload_libraries"
	s := settings[name]
	if s.Source != SourceUser {
		return
	}
	libraries := libraryList(s.Value)
	if !slices.Contains(libraries, defaultLibrary) {
		libraries = append([]string{defaultLibrary}, libraries...)
		s.Reason = "the user's, and " + defaultLibrary + ", so that the extension works without a restart"
	}
	s.Value = strings.Join(libraries, ",")
	settings[name] = s
}

// libraryList splits a list of libraries; CheckParameters admits none that would need quotes.
func libraryList(value string) []string {
	var libraries []string
	for library := range strings.SplitSeq(value, ",") {
		if library = strings.TrimSpace(library); library != "" && !slices.Contains(libraries, library) {
			libraries = append(libraries, library)
		}
	}
	return libraries
}

// raiseToFloor lets a standby start that its primary's greater values would otherwise stop.
func raiseToFloor(settings map[string]EffectiveSetting, in SettingsInput) {
	for _, name := range StandbySensitive {
		value, ok := wholeNumber(in.Major, name, settings[name].Value)
		if floor := in.Floor[name]; ok && value < floor {
			settings[name] = EffectiveSetting{
				Name: name, Value: strconv.FormatInt(floor, 10), Source: SourceTimonier,
				Reason: fmt.Sprintf("%d is asked for, but the primary ran with more, and a standby may not have less", value),
			}
		}
	}
}

// wholeNumber reads an integer parameter's value as PostgreSQL would.
func wholeNumber(major, name, value string) (int64, bool) {
	p, known := catalogue.Lookup(major, name)
	n, err := parseNumber(p, value)
	return int64(n), known && err == nil
}

// RenderSettings is the content of postgresql.conf: EffectiveSettings, quoted, each with its reason.
// Equal input gives equal text. Values cannot break out of their line, whether they were checked or not.
func RenderSettings(in SettingsInput) string {
	var b strings.Builder
	b.WriteString("# Written by Timonier's instance manager, and written again with every change.\n" +
		"# Change spec.parameters of the PostgresCluster instead.\n")
	for _, s := range EffectiveSettings(in) {
		if !settingName.MatchString(s.Name) {
			continue // CheckParameters refuses it; here it must at least not become a line of its own.
		}
		reason := s.Reason
		if reason == "" {
			reason = "spec.parameters"
		}
		fmt.Fprintf(&b, "\n# %s\n%s = %s\n", reason, s.Name, quoteSetting(s.Value))
	}
	return b.String()
}

// DesiredStandbySensitive are the values of StandbySensitive that these parameters of
// a user lead to, Timonier's defaults included; what Raised and Lowered compare.
func DesiredStandbySensitive(major string, parameters map[string]string) map[string]int64 {
	desired, settings := map[string]int64{}, settingsByName(SettingsInput{Major: major, Parameters: parameters})
	for _, name := range StandbySensitive {
		if value, ok := wholeNumber(major, name, settings[name].Value); ok {
			desired[name] = value
		}
	}
	return desired
}
