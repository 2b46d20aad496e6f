package postgres

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/timonier-io/timonier/internal/postgres/catalogue"
)

// forbidden are parameters that users may not set although Timonier does not set them
// either, with the reason. What Timonier sets itself is in settingsTable.
var forbidden = map[string]string{
	"fsync":                         "without it a power failure destroys the data",
	"full_page_writes":              "without it a power failure tears pages, which cannot be repaired",
	"data_sync_retry":               "trying a failed fsync again loses data silently",
	"session_replication_role":      "set for all sessions it turns off foreign keys and triggers",
	"recovery_min_apply_delay":      "an instance that replays late cannot take over",
	"recovery_end_command":          "Timonier decides which commands run during recovery",
	"archive_cleanup_command":       "Timonier decides which commands run during recovery",
	"restore_command":               "Timonier decides which commands run during recovery",
	"archive_library":               "archiving is Timonier's task",
	"ssl_passphrase_command":        "Timonier issues the key, without a passphrase",
	"local_preload_libraries":       "the folder from which it loads does not exist in the image, and nobody could connect any more",
	"jit_provider":                  "it names a library to load, and the image has none",
	"dynamic_library_path":          "it names folders of the image; Timonier expects the extensions where the image has them",
	"extension_control_path":        "it names folders of the image; Timonier expects the extensions where the image has them",
	"wal_receiver_create_temp_slot": "instances have permanent slots on each other",
	"sync_replication_slots":        "the connections of standbys name no database, which this needs",
	"synchronized_standby_slots":    "the slots of standbys are made and dropped by Timonier",
	"db_user_namespace":             "it changes the names of roles, Timonier's too",
	"bonjour":                       "an instance is announced by its Services",
	"bonjour_name":                  "an instance is announced by its Services",
	"data_directory_mode":           "the instance manager makes the data directory",
	"log_file_mode":                 "the instance manager reads the log",
	"stats_temp_directory":          "it names a folder, and the root file system is read-only",
}

// forbiddenPattern are families of the same kind.
var forbiddenPatterns = []struct {
	pattern *regexp.Regexp
	reason  string
}{
	{regexp.MustCompile(`^recovery_target`), "recovery to a point in time is done by Timonier, into a new cluster"},
	{regexp.MustCompile(`^ssl($|_)`), "Timonier manages certificates and encryption"},
	{regexp.MustCompile(`^unix_socket_`), "the instance manager connects over this socket"},
	{regexp.MustCompile(`^(syslog_|event_source$)`), "the instance manager reads the log, and a pod has no syslog"},
	{regexp.MustCompile(`^log_(rotation|truncate|directory|filename|destination)`), "the instance manager reads the log"},
	{regexp.MustCompile(`^(krb|gss)_`), "there is no Kerberos key in an instance"},
	{regexp.MustCompile(`_(file|directory)$`), "it names a file or folder of the instance, and these are Timonier's"},
	{regexp.MustCompile(`^timonier\.`), "names that begin with timonier. are kept for Timonier"},
}

// whyForbidden tells why users may not set a parameter, by its name in lower case; "" where they may.
// Names that PostgreSQL does not know in this version are here too: the reason helps more than “unknown”.
func whyForbidden(major, name string) string {
	for _, s := range settingsTable {
		if strings.EqualFold(s.name, name) {
			if s.overridable {
				return ""
			}
			return "Timonier sets it itself: " + s.reason
		}
	}
	if reason := forbidden[name]; reason != "" {
		return reason
	}
	for _, f := range forbiddenPatterns {
		if f.pattern.MatchString(name) {
			return f.reason
		}
	}
	p, known := catalogue.Lookup(major, name)
	switch {
	case !known:
		return ""
	case p.Context == catalogue.ContextInternal || !p.InFile:
		return "PostgreSQL does not take it from a configuration file"
	case p.Category == catalogue.CategoryDeveloper:
		return "it is meant for the development of PostgreSQL or the rescue of damaged data, and can damage it"
	}
	return ""
}

// restrictions are what a value must hold to beyond PostgreSQL's own bounds, by name. The function
// returns a cause and a remedy, or "" and "". The value was checked by checkValue before.
var restrictions = map[string]func(p catalogue.Parameter, value string) (cause, remedy string){
	"synchronous_commit": oneOf("commits that were acknowledged would be lost in a crash or a failover; a role or session that accepts this can lower it for itself",
		"on", "remote_apply"),
	"wal_level": oneOf("standbys cannot be fed from it", "replica", "logical"),
	"log_min_messages": oneOf("the warning of a commit that did not wait for its standbys would not be seen",
		"debug5", "debug4", "debug3", "debug2", "debug1", "info", "notice", "warning"),
	"ssl_min_protocol_version":       oneOf("older protocols are broken", "TLSv1.2", "TLSv1.3"),
	"max_wal_senders":                atLeast(minWALSenders, "9 instances, clones and rewinds need that many"),
	"max_replication_slots":          atLeast(minReplicationSlots, "each instance has a slot on every other"),
	"superuser_reserved_connections": atLeast(3, "Timonier needs them when clients have taken all others"),
	"max_connections":                atLeast(10, "Timonier's own connections and a few clients need that many"),
	"max_slot_wal_keep_size":         atLeast(0, "without a bound a standby that is away fills the volume"),
	"shared_preload_libraries":       plainLibraries,
	"session_preload_libraries":      ownLibraries,
}

// oneOf admits these values only.
func oneOf(reason string, values ...string) func(catalogue.Parameter, string) (string, string) {
	return func(_ catalogue.Parameter, value string) (string, string) {
		if slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, value) }) {
			return "", ""
		}
		return fmt.Sprintf("%q is refused: %s", value, reason), "write one of " + strings.Join(values, ", ")
	}
}

// atLeast admits values from least on.
func atLeast(least float64, reason string) func(catalogue.Parameter, string) (string, string) {
	return func(p catalogue.Parameter, value string) (string, string) {
		if n, err := parseNumber(p, value); err == nil && n < least {
			return fmt.Sprintf("%q is too small: %s", value, reason), fmt.Sprintf("write at least %s", plain(least))
		}
		return "", ""
	}
}

// sessionLibraries are what a session may load when it begins. One that the image does not have would let nobody in any
// more, as soon as the configuration is loaded; shared_preload_libraries is tried on one instance first.
var sessionLibraries = []string{"auto_explain", "plpgsql"}

// ownLibraries admits sessionLibraries only.
func ownLibraries(_ catalogue.Parameter, value string) (cause, remedy string) {
	for _, name := range libraryList(value) {
		if !slices.Contains(sessionLibraries, name) {
			return fmt.Sprintf("%q may be missing in the image, and then nobody could connect any more", name),
				"write it into shared_preload_libraries, which is tried on one instance first; here auto_explain and plpgsql are possible"
		}
	}
	return "", ""
}

// library is a name in a list of libraries that needs no quotes.
var library = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// plainLibraries admits names of libraries without a path: they are loaded from where the image has them.
func plainLibraries(_ catalogue.Parameter, value string) (string, string) {
	for _, name := range libraryList(value) {
		if !library.MatchString(name) {
			return fmt.Sprintf("%q is not the plain name of a library", name),
				"write names without path and quotes, separated by commas, such as pg_stat_statements,auto_explain"
		}
	}
	return "", ""
}
