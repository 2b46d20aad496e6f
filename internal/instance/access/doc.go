// Package access makes roles and databases of a PostgreSQL system be as the
// specification asks: observe (what the catalogues say), decide (which statements
// are needed, without a connection), act (run them), report. Only the leader does
// it, over the local socket as superuser.
//
//	apply.go      the order of things
//	session.go    what a session must have before it may run anything
//	observe.go    one reading of the catalogues
//	roles.go, memberships.go, databases.go   what is missing, as statements
//	drop.go, contents.go   what is dropped, and what stays because something is in it
//	managed.go    which objects were listed once
//	report.go     what became of each object
//
// It never discards data by itself: a role that owns anything and a database that
// holds anything stay, with a report of what is in them, and what is taken off a
// list is left alone.
package access
