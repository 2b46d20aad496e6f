package access

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// maxListed is how many objects a message names; the others are counted.
const maxListed = 10

// contents are objects that stand in the way of a DROP.
type contents struct {
	count int
	// named are the first maxListed of them, each with its place.
	named []string
}

// String is "3 objects: table public.orders, …".
func (c contents) String() string {
	noun := "objects"
	if c.count == 1 {
		noun = "object"
	}
	text := fmt.Sprintf("%d %s: %s", c.count, noun, strings.Join(c.named, ", "))
	if more := c.count - len(c.named); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// contentsQuery finds what somebody has made in a database: relations, functions, types of their
// own and large objects; not what belongs to an extension, but for tables of an extension that it
// declares to hold users' data (pg_extension_config_dump) and that have any, which tableHasRows is asked about.
const contentsQuery = `
	WITH member AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
	system AS (SELECT oid FROM pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema') OR nspname LIKE 'pg\_toast%' OR nspname LIKE 'pg\_temp\_%'),
	thing AS (
		SELECT 'pg_class'::regclass::oid AS classid, oid AS objid, 1 AS rank FROM pg_class
		WHERE relkind IN ('r', 'p', 'm', 'f', 'S', 'v') AND relnamespace NOT IN (SELECT oid FROM system)
	UNION ALL
		SELECT 'pg_proc'::regclass, oid, 2 FROM pg_proc WHERE pronamespace NOT IN (SELECT oid FROM system)
	UNION ALL
		SELECT 'pg_type'::regclass, oid, 3 FROM pg_type
		WHERE typnamespace NOT IN (SELECT oid FROM system) AND typtype IN ('d', 'e', 'r', 'b') AND typelem = 0 AND typrelid = 0
	UNION ALL
		SELECT 'pg_largeobject'::regclass, oid, 1 FROM pg_largeobject_metadata
	)
	SELECT count(*) OVER (), pg_describe_object(classid, objid, 0)
	FROM thing WHERE (classid, objid) NOT IN (SELECT classid, objid FROM member)
	ORDER BY rank, 2 LIMIT $1`

// configTables are an extension's tables for users' data, as quoted names.
const configTables = `
	SELECT format('%I.%I', n.nspname, c.relname)
	FROM pg_extension e CROSS JOIN unnest(e.extconfig) AS t (oid) JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p') ORDER BY 1`

// contents are what a database holds.
func (a *applier) contents(ctx context.Context, database string) (contents, error) {
	conn, err := openSession(ctx, a.connect, database)
	if err != nil {
		return contents{}, err
	}
	defer closeSession(ctx, conn)
	held, err := readContents(ctx, conn, contentsQuery, maxListed)
	if err != nil {
		return contents{}, err
	}
	tables, err := names(ctx, conn, configTables)
	if err != nil {
		return contents{}, err
	}
	for _, table := range tables {
		var rows bool
		// The name was quoted by PostgreSQL itself.
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+table+")").Scan(&rows); err != nil {
			return contents{}, err
		}
		if rows {
			held.count++
			held.named = append(held.named, "rows in table "+table+" of an extension")
		}
	}
	return held, nil
}

// readContents runs a query whose rows are the count of all objects and the description of one.
func readContents(ctx context.Context, conn *pgx.Conn, query string, arguments ...any) (contents, error) {
	rows, err := conn.Query(ctx, query, arguments...)
	if err != nil {
		return contents{}, err
	}
	var held contents
	var name string
	_, err = pgx.ForEachRow(rows, []any{&held.count, &name}, func() error {
		held.named = append(held.named, name)
		return nil
	})
	return held, err
}

// dependentsOf finds in which databases a role owns objects or has rights; "" is for what belongs to all
// of them: databases and tablespaces.
const dependentsOf = `
	SELECT coalesce(d.datname, ''), coalesce(d.datallowconn, true), count(*)
	FROM pg_shdepend s LEFT JOIN pg_database d ON d.oid = s.dbid
	WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = $1
	GROUP BY 1, 2 ORDER BY 1`

// dependentsHere names those of the database that one is connected to, or the shared ones; its rows are as readContents wants them.
const dependentsHere = `
	SELECT count(*) OVER (), pg_describe_object(classid, objid, objsubid) || CASE deptype WHEN 'o' THEN '' ELSE ' (rights)' END
	FROM pg_shdepend
	WHERE refclassid = 'pg_authid'::regclass AND refobjid = $1
	  AND dbid = CASE WHEN $2 THEN 0 ELSE (SELECT oid FROM pg_database WHERE datname = current_database()) END
	ORDER BY deptype <> 'o', 2 LIMIT $3`

// dependents are what a role owns and has rights on, in all databases.
func (a *applier) dependents(ctx context.Context, role uint32) (contents, error) {
	rows, err := a.conn.Query(ctx, dependentsOf, role)
	if err != nil {
		return contents{}, err
	}
	type place struct {
		Database string
		Connects bool
		Count    int
	}
	places, err := pgx.CollectRows(rows, pgx.RowToStructByPos[place])
	if err != nil {
		return contents{}, err
	}
	var all contents
	for _, p := range places {
		all.count += p.Count
		left := maxListed - len(all.named)
		if left <= 0 || !p.Connects {
			continue
		}
		here, err := a.dependentsIn(ctx, p.Database, role, left)
		if err != nil {
			return contents{}, err
		}
		for _, name := range here.named {
			if p.Database != "" {
				name += " in database " + p.Database
			}
			all.named = append(all.named, name)
		}
	}
	return all, nil
}

// dependentsIn names a role's objects in one database, or the shared ones where database is "".
func (a *applier) dependentsIn(ctx context.Context, database string, role uint32, limit int) (contents, error) {
	if database == "" {
		return readContents(ctx, a.conn, dependentsHere, role, true, limit)
	}
	conn, err := openSession(ctx, a.connect, database)
	if err != nil {
		return contents{}, err
	}
	defer closeSession(ctx, conn)
	return readContents(ctx, conn, dependentsHere, role, false, limit)
}
