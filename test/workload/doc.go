// Package workload writes to a PostgreSQL while something is done to it, and tells afterwards whether the promise was
// kept: no acknowledged commit is missing, and what was read fits one order of all writes.
//
//	outcome.go   what a client may conclude from an answer: acknowledged, refused, or unknown
//	session.go   a client's connection, made again as soon as it fails
//	meter.go     a row every 20 ms: the longest time between two acknowledged ones
//	append.go    rows by several clients at once, and by one that comes to a server by a way of its own
//	register.go  values of keys, exchanged in transactions; keyring.go says which key is next
//	record.go    what became of each write, and why
//	load.go      all of them together, started and stopped
//	verify.go    what the server holds at the end, compared with what was acknowledged
//	linear.go    whether the exchanges fit one order (porcupine)
//	report.go    the figures
//
// It knows neither Kubernetes nor any fault: it is given an address. A client is as hasty as is sensible. It waits a
// second for a connection and for an answer, has no pool, and tries again at once.
//
// Two conclusions are easily drawn wrongly. A commit whose wait for standbys was cancelled is reported as done, with a
// warning: it counts as unknown, not as acknowledged. And a connection that fails after the commit was sent says
// nothing: the row may be there, may come later, or never.
package workload
