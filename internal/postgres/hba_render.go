package postgres

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/timonier-io/timonier/internal/naming"
)

// HBAInput is all that pg_hba.conf and pg_ident.conf depend on.
type HBAInput struct {
	// Open: clients are admitted. Closed, only the instance's own socket and replication,
	// cloning and rewinding by the cluster's instances are.
	Open bool
	// Lines of the user, that CheckHBA had nothing to say about.
	Lines []string
	// OSUser is the name that the instance's own UID has in its passwd file; empty means postgres.
	OSUser string
}

// identMap is the name of the map in pg_ident.conf.
const identMap = "timonier"

// RenderHBA is the content of pg_hba.conf. The first line that fits decides, so the order is the policy.
func RenderHBA(in HBAInput) string {
	own := strings.Join([]string{naming.Superuser, naming.ReplicationRole, naming.MonitorRole}, ",")
	var b strings.Builder
	fmt.Fprintf(&b, `# Written by Timonier's instance manager, and written again with every change.
# Change spec.hba of the PostgresCluster instead.

# The instance's own UID, over the local socket; nobody else in the pod.
local    all          %s,%s  peer map=%s
local    all          all  reject
local    replication  all  reject

# Replication, cloning and rewinding by the cluster's instances, by certificate.
hostssl  replication  %s  all  cert
hostssl  %s  %s  all  cert

# Neither the superuser nor Timonier's roles are reachable over the network otherwise.
host     all          %s  all  reject
host     replication  all  all  reject
`, naming.Superuser, naming.MonitorRole, identMap,
		naming.ReplicationRole, naming.Superuser, naming.ReplicationRole, own)
	if !in.Open {
		b.WriteString("\n# Closed: this instance does not serve clients now.\nhost     all          all  all  reject\n")
		return b.String()
	}
	if len(in.Lines) > 0 {
		b.WriteString("\n# spec.hba\n")
	}
	for _, line := range in.Lines {
		b.WriteString(oneLine(line) + "\n")
	}
	b.WriteString("\n# Everybody else over TLS, with a password.\nhostssl  all          all  all  scram-sha-256\n")
	return b.String()
}

// oneLine makes sure that a line stays one: without line breaks, and without the backslash that joins lines.
func oneLine(line string) string {
	line = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, line)
	return strings.TrimRight(line, " \\")
}

// RenderIdent is the content of pg_ident.conf: the roles that the instance's own UID may take on the local socket.
func RenderIdent(in HBAInput) string {
	user := in.OSUser
	if user == "" {
		user = "postgres"
	}
	quoted := `"` + strings.ReplaceAll(oneLine(user), `"`, `""`) + `"`
	return fmt.Sprintf("# Written by Timonier's instance manager.\n%[1]s  %[2]s  %[3]s\n%[1]s  %[2]s  %[4]s\n",
		identMap, quoted, naming.Superuser, naming.MonitorRole)
}
