package access

import (
	"context"
	"fmt"
	"slices"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
)

// memberships grants what is listed and revokes what is not, of the roles that are to exist.
func (a *applier) memberships(ctx context.Context, desired instanceapi.Access) error {
	for _, role := range desired.Roles {
		o := roleObject(role.Name)
		if _, exists := a.seen.roles[role.Name]; role.Absent || !exists || refuseRole(role) != "" {
			continue
		}
		for _, of := range role.MemberOf {
			if refusal := refuseMembership(of); refusal != "" {
				a.report.add(o, instanceapi.ObjectRefused, refusal)
			} else if _, exists := a.seen.roles[of]; !exists {
				a.report.add(o, instanceapi.ObjectFailed, fmt.Sprintf("it cannot be a member of role %q, which does not exist; add that role, or take it off memberOf", of))
			}
		}
		// Each by itself: what cannot be granted does not keep others from being revoked.
		for _, statement := range membershipStatements(role, a.seen) {
			if _, err := a.run(ctx, a.conn, o, statement); err != nil {
				return err
			}
		}
	}
	return nil
}

// mighty are predefined roles that read, write and execute on the server as PostgreSQL itself does: they
// reach the instance's keys, which no role of a database may.
var mighty = []string{"pg_execute_server_program", "pg_read_server_files", "pg_write_server_files"}

// refuseMembership tells why nobody is made a member of a role, or "".
func refuseMembership(of string) string {
	switch {
	case of == naming.Superuser || of == naming.ReplicationRole || of == naming.MonitorRole:
		return fmt.Sprintf("it cannot be a member of %s, which is Timonier's own; take it off memberOf, and use pg_monitor, pg_read_all_data or the like", of)
	case slices.Contains(mighty, of):
		return fmt.Sprintf("it cannot be a member of %s, which reaches the instance's own files and keys; take it off memberOf, and use COPY from the client", of)
	}
	return ""
}

// membershipStatements are those that a role's memberships need; none where they are as listed.
func membershipStatements(role instanceapi.Role, seen observed) []string {
	var statements []string
	member := postgres.QuoteIdentifier(role.Name)
	for _, of := range role.MemberOf {
		if _, exists := seen.roles[of]; !exists || refuseMembership(of) != "" {
			continue
		}
		grant := "GRANT " + postgres.QuoteIdentifier(of) + " TO " + member
		if seen.membershipsHaveOptions() {
			// Since 16 the membership, not the role, tells whether rights are inherited.
			grant += fmt.Sprintf(" WITH INHERIT %t, SET TRUE", role.Inherit)
		}
		if !slices.ContainsFunc(seen.members[role.Name], func(m membership) bool { return fits(m, of, role, seen) }) {
			statements = append(statements, grant)
		}
	}
	for _, m := range seen.members[role.Name] {
		// Neither inherited nor taken: the right to administer roles that one has made (since 16).
		if gives := m.inherit || m.set; !gives || slices.Contains(role.MemberOf, m.role) && refuseMembership(m.role) == "" {
			continue
		}
		revoke := "REVOKE " + postgres.QuoteIdentifier(m.role) + " FROM " + member
		if seen.membershipsHaveOptions() {
			revoke += " GRANTED BY " + postgres.QuoteIdentifier(m.grantor)
		}
		statements = append(statements, revoke)
	}
	return statements
}

// fits tells whether a membership is as listed. Since 16 there may be one by each grantor; Timonier's own is the superuser's.
func fits(m membership, of string, role instanceapi.Role, seen observed) bool {
	if m.role != of {
		return false
	}
	return !seen.membershipsHaveOptions() || m.grantor == naming.Superuser && m.inherit == role.Inherit && m.set
}
