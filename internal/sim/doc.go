// Package sim is a world in which the election is tried: instances with a model of PostgreSQL, an API server that
// keeps one Lease, and faults, all driven by one seed. It knows no time but steps, and nothing runs at the same time as
// anything else: the same seed gives the same story.
//
//	wal.go       records, and what a copy of the data holds
//	postgres.go  a server: commits that wait for standbys, as PostgreSQL really releases them
//	stream.go    walsenders and walreceivers
//	volumes.go   disks: wiped, set aside and brought back; clones and rewinds, that may be interrupted
//	network.go   letters between instances, and connections: late, twice, in one direction, or not at all
//	lease.go     the API server: updates that fail, land late, or whose answer is lost
//	lost.go      how it is emptied or restored, and what instances do then
//	node.go      an instance: it carries out one step of package election after another
//	reading.go   how it reads and writes the Lease
//	wanting.go   what a leader wants
//	world.go     the world: who moves next
//	faults.go    what goes wrong
//	crashes.go   crashes in the middle of a step
//	healing.go   how it ends: all comes back, or nearly
//	oracle.go    what was shown and must never be missing, who may be able to acknowledge, and what the Lease may promise
//
// The model is never kinder than PostgreSQL: where a check of PostgreSQL is known to have a hole, the model has no check.
// Its facts are those of PostgreSQL 15 and 17, and each has a test here that is named after it.
package sim
