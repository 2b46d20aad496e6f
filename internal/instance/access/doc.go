// Package access makes roles and databases of a PostgreSQL system be as the
// specification asks: observe (what the catalogues say), decide (which statements
// are needed, without a connection), act (run them), report. Only the leader does
// it, over the local socket as superuser.
//
// It never discards data by itself: a role that owns anything and a database that
// holds anything stay, with a report of what is in them, and what is taken off a
// list is left alone.
package access
