package access

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// observed is what the shared catalogues say.
type observed struct {
	// version is server_version_num: 170006.
	version   int
	roles     map[string]observedRole
	databases map[string]observedDatabase
	// members are memberships by member.
	members map[string][]membership
	// managed are the objects that were listed once; nil where the table of marks does not exist yet.
	managed map[object]bool
}

// observedRole as in pg_authid.
type observedRole struct {
	oid                                                                     uint32
	login, createDB, createRole, replication, bypassRLS, inherit, superuser bool
	connectionLimit                                                         int32
	password                                                                string
}

// observedDatabase as in pg_database.
type observedDatabase struct {
	oid   uint32
	owner string
	// connects: connections are allowed at all.
	connects bool
	// broken: a DROP DATABASE was interrupted; nothing but dropping it works.
	broken bool
}

// membership of a role in another.
type membership struct {
	role, grantor string
	// inherit and set are always true before PostgreSQL 16, which knows only such memberships.
	inherit, set bool
}

// membershipsHaveOptions tells that memberships have options and grantors of their own.
func (o observed) membershipsHaveOptions() bool { return o.version >= 160000 }

// observe reads the catalogues once.
func observe(ctx context.Context, conn *pgx.Conn) (observed, error) {
	var seen observed
	for what, read := range map[string]func(context.Context, *pgx.Conn) error{
		"the version": func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&seen.version)
		},
		"the roles": seen.readRoles, "the databases": seen.readDatabases, "the marks": seen.readManaged,
	} {
		if err := read(ctx, conn); err != nil {
			return observed{}, fmt.Errorf("reading %s: %w", what, err)
		}
	}
	if err := seen.readMembers(ctx, conn); err != nil {
		return observed{}, fmt.Errorf("reading the memberships of roles: %w", err)
	}
	return seen, nil
}

func (o *observed) readRoles(ctx context.Context, conn *pgx.Conn) error {
	o.roles = map[string]observedRole{}
	rows, err := conn.Query(ctx, `
		SELECT rolname, oid, rolcanlogin, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolinherit,
		       rolsuper, rolconnlimit, coalesce(rolpassword, '')
		FROM pg_authid`)
	if err != nil {
		return err
	}
	var name string
	var r observedRole
	_, err = pgx.ForEachRow(rows, []any{&name, &r.oid, &r.login, &r.createDB, &r.createRole, &r.replication, &r.bypassRLS, &r.inherit,
		&r.superuser, &r.connectionLimit, &r.password}, func() error {
		o.roles[name] = r
		return nil
	})
	return err
}

func (o *observed) readDatabases(ctx context.Context, conn *pgx.Conn) error {
	o.databases = map[string]observedDatabase{}
	rows, err := conn.Query(ctx, `SELECT datname, oid, pg_get_userbyid(datdba), datallowconn, datconnlimit = -2 FROM pg_database`)
	if err != nil {
		return err
	}
	var name string
	var d observedDatabase
	_, err = pgx.ForEachRow(rows, []any{&name, &d.oid, &d.owner, &d.connects, &d.broken}, func() error {
		o.databases[name] = d
		return nil
	})
	return err
}

func (o *observed) readMembers(ctx context.Context, conn *pgx.Conn) error {
	o.members = map[string][]membership{}
	options := "true, true"
	if o.membershipsHaveOptions() {
		options = "inherit_option, set_option"
	}
	rows, err := conn.Query(ctx, `
		SELECT pg_get_userbyid(member), pg_get_userbyid(roleid), pg_get_userbyid(grantor), `+options+`
		FROM pg_auth_members ORDER BY 2, 3`)
	if err != nil {
		return err
	}
	var member string
	var m membership
	_, err = pgx.ForEachRow(rows, []any{&member, &m.role, &m.grantor, &m.inherit, &m.set}, func() error {
		o.members[member] = append(o.members[member], m)
		return nil
	})
	return err
}
