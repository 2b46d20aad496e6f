//go:build integration

package access_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

func TestARoleThatOwnsAnythingStays(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		s := start(t, programs, nil)
		s.apply(instanceapi.Access{Roles: []instanceapi.Role{role("app"), role("reader"), role("free")},
			Databases: []instanceapi.Database{{Name: "one", Owner: "app"}, {Name: "two", Owner: "postgres"}}})
		s.in("two", "CREATE TABLE public.orders (id int)", "ALTER TABLE public.orders OWNER TO app", "GRANT SELECT ON public.orders TO reader", "INSERT INTO orders VALUES (1)",
			"CREATE SCHEMA many AUTHORIZATION app", "SET ROLE app", "DO $$ BEGIN FOR i IN 1..20 LOOP EXECUTE format('CREATE TABLE many.t%s ()', i); END LOOP; END $$")
		drop := instanceapi.Access{Roles: []instanceapi.Role{absent("app"), absent("reader"), absent("free"), absent("never-was")}}
		report := s.apply(drop)
		expect(t, report.Roles, "app", instanceapi.ObjectRefused, "23 objects", "database one", "in database two", "and 13 more", "REASSIGN OWNED BY \"app\"")
		expect(t, report.Roles, "reader", instanceapi.ObjectRefused, "1 object: table public.orders (rights) in database two")
		expect(t, report.Roles, "free", "")
		expect(t, report.Roles, "never-was", "")
		if !s.hasRole("app") || !s.hasRole("reader") || s.hasRole("free") {
			t.Error("the wrong roles were dropped")
		}
		s.in("two", "REASSIGN OWNED BY app TO postgres", "DROP OWNED BY app", "DROP OWNED BY reader")
		s.in("one", "REASSIGN OWNED BY app TO postgres", "DROP OWNED BY app")
		report = s.apply(drop)
		expect(t, report.Roles, "app", "")
		expect(t, report.Roles, "reader", "")
		if s.hasRole("app") || s.hasRole("reader") {
			t.Error("a role that owns nothing was not dropped")
		}
		if n := pgtest.Value[int](t, s.Conn(t, "postgres", "two"), "SELECT count(*) FROM orders"); n != 1 {
			t.Error("the data is gone")
		}
	})
}

func TestADatabaseWithDataIsDroppedOnlyWhenConfirmed(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		s := start(t, programs, nil)
		made := map[string]string{
			"empty": "SELECT 1", "extended": "CREATE EXTENSION hstore",
			"tables": "CREATE TABLE orders (id int)", "functions": "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
			"objects": "SELECT lo_create(0)", "types": "CREATE TYPE mood AS ENUM ('sad')", "hidden": "CREATE SCHEMA s; CREATE MATERIALIZED VIEW s.m AS SELECT 1 AS a",
			"confirmed": "CREATE TABLE orders (id int)", "mistaken": "CREATE TABLE orders (id int)", "used": "SELECT 1", "closed": "SELECT 1",
		}
		var present, gone []instanceapi.Database
		for name := range made {
			present = append(present, instanceapi.Database{Name: name, Owner: "app"})
			gone = append(gone, instanceapi.Database{Name: name, Absent: true})
		}
		if got := s.apply(instanceapi.Access{Roles: []instanceapi.Role{role("app")}, Databases: present}); len(got.Databases) > 0 {
			t.Fatalf("%+v", got)
		}
		for name, statement := range made {
			s.in(name, statement)
		}
		for i := range gone {
			switch gone[i].Name {
			case "confirmed":
				gone[i].ConfirmDataLoss = "confirmed"
			case "mistaken":
				gone[i].ConfirmDataLoss = "confirmed"
			}
		}
		inUse, inConfirmed := s.Conn(t, "postgres", "used"), s.Conn(t, "postgres", "confirmed")
		pgtest.Exec(t, s.conn, "ALTER DATABASE closed ALLOW_CONNECTIONS false")
		desired := instanceapi.Access{Roles: []instanceapi.Role{role("app")}, Databases: gone}
		for range 2 { // What is refused once is refused again.
			report := s.apply(desired)
			expect(t, report.Databases, "tables", instanceapi.ObjectRefused, "1 object: table public.orders", "confirmDataLoss: tables")
			expect(t, report.Databases, "functions", instanceapi.ObjectRefused, "function public.f()")
			expect(t, report.Databases, "objects", instanceapi.ObjectRefused, "large object")
			expect(t, report.Databases, "types", instanceapi.ObjectRefused, "1 object: type public.mood")
			expect(t, report.Databases, "hidden", instanceapi.ObjectRefused, "materialized view s.m")
			expect(t, report.Databases, "mistaken", instanceapi.ObjectRefused, "confirmDataLoss: mistaken")
			expect(t, report.Databases, "used", instanceapi.ObjectRefused, "1 connections")
			expect(t, report.Databases, "closed", instanceapi.ObjectRefused, "cannot be seen", "confirmDataLoss: closed")
			if len(report.Databases) != 8 {
				t.Errorf("%+v", report.Databases)
			}
		}
		if got := s.text("SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname = ANY ($1)", slices.Collect(maps.Keys(made))); got != "closed functions hidden mistaken objects tables types used" {
			t.Errorf("these are left: %s", got)
		}
		if err := inConfirmed.Ping(t.Context()); err == nil {
			t.Error("a session of a dropped database lives on")
		}
		if err := inUse.Ping(t.Context()); err != nil {
			t.Errorf("a session was ended without confirmation: %v", err)
		}
	})
}
