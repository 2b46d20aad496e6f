package access

import (
	"context"
	"fmt"
	"strings"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
)

// roles creates and alters the roles that are to exist.
func (a *applier) roles(ctx context.Context, desired instanceapi.Access) error {
	for _, role := range desired.Roles {
		if role.Absent {
			continue
		}
		o := roleObject(role.Name)
		if refusal := refuseRole(role); refusal != "" {
			a.report.add(o, instanceapi.ObjectRefused, refusal)
			continue
		}
		now, exists := a.seen.roles[role.Name]
		statement := createRole(role)
		if exists {
			statement = alterRole(role, now)
		}
		if statement == "" {
			continue
		}
		ok, err := a.run(ctx, a.conn, o, statement)
		if err != nil {
			return err
		}
		if ok && !exists {
			a.seen.roles[role.Name] = observedRole{}
		}
	}
	return nil
}

// refuseRole tells why a role is not touched, or "". The operator's rules already keep such roles
// away; what runs as superuser looks once more.
func refuseRole(role instanceapi.Role) string {
	if isReserved(role.Name) {
		return "this role belongs to PostgreSQL or Timonier; take it off spec.roles"
	}
	if role.Verifier != "" && !postgres.IsSCRAMVerifier(role.Verifier) {
		return "its password did not arrive as a SCRAM-SHA-256 verifier; upgrade the operator and the instances to the same version"
	}
	return ""
}

// isReserved tells whether a role is PostgreSQL's or Timonier's own.
func isReserved(name string) bool {
	return name == naming.Superuser || strings.HasPrefix(name, "pg_") || strings.HasPrefix(name, "timonier_")
}

// createRole is the statement that makes a role.
func createRole(role instanceapi.Role) string {
	return "CREATE ROLE " + postgres.QuoteIdentifier(role.Name) + " WITH " + strings.Join(roleOptions(role, nil), " ")
}

// alterRole is the statement that makes an existing role be as desired; "" where it is. When
// the password expires and which settings the role has is not Timonier's business and stays.
func alterRole(role instanceapi.Role, now observedRole) string {
	options := roleOptions(role, &now)
	if len(options) == 0 {
		return ""
	}
	return "ALTER ROLE " + postgres.QuoteIdentifier(role.Name) + " WITH " + strings.Join(options, " ")
}

// roleOptions are those in which a role differs from now; all of them where now is nil.
func roleOptions(role instanceapi.Role, now *observedRole) []string {
	all := now == nil
	if all {
		now = &observedRole{}
	}
	var options []string
	for _, flag := range []struct {
		name     string
		want, is bool
	}{
		{"LOGIN", role.Login, now.login},
		// The specification cannot ask for a superuser, so that whoever was made one by hand does not stay one.
		{"SUPERUSER", false, now.superuser},
		{"CREATEDB", role.CreateDB, now.createDB},
		{"CREATEROLE", role.CreateRole, now.createRole},
		{"REPLICATION", role.Replication, now.replication},
		{"BYPASSRLS", role.BypassRLS, now.bypassRLS},
		{"INHERIT", role.Inherit, now.inherit},
	} {
		switch {
		case !all && flag.want == flag.is:
		case flag.want:
			options = append(options, flag.name)
		default:
			options = append(options, "NO"+flag.name)
		}
	}
	if all || role.ConnectionLimit != now.connectionLimit {
		options = append(options, fmt.Sprintf("CONNECTION LIMIT %d", role.ConnectionLimit))
	}
	if role.Verifier != "" && role.Verifier != now.password {
		options = append(options, "PASSWORD "+postgres.QuoteLiteral(role.Verifier))
	}
	return options
}
