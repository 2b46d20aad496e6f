// Package postgres knows PostgreSQL and nothing of Kubernetes: how its settings,
// its pg_hba.conf, its connection strings and its password verifiers are written,
// and how what its programs print is read. Everything here is a pure function; no
// file is opened, no program is run and no server is spoken to, so a new line
// belongs here when it could be tested with a table.
//
//	lsn, timeline, version, controldata   what PostgreSQL prints, as values
//	catalogue, parameters, forbidden      what users may set, and why not the rest
//	settings, standby                     what Timonier sets, and in which order it is rolled out
//	hba, conninfo, identifier, initdb     texts that PostgreSQL reads
//	scram, saslprep                       password verifiers
//
// The subfolder catalogue holds the list of all parameters as real servers tell
// it, and pgtest starts a real server for the integration tests of this and other
// packages.
package postgres

// Problem is something in a user's specification that is refused. Cause and Remedy
// are sentences without a full stop: joined, they are the message of a condition.
type Problem struct {
	// Field in the specification, such as spec.parameters.max_connections or spec.hba[2].
	Field string
	// Cause tells what is wrong, with the offending value.
	Cause string
	// Remedy tells what to write instead.
	Remedy string
}

// String is "field: cause; remedy".
func (p Problem) String() string { return p.Field + ": " + p.Cause + "; " + p.Remedy }
