// Package quarantine decides what happens to what keeps failing. A phase that failed too often, by something that neither passes by itself nor is
// known to wait for somebody, is suspended and tried once in a long while. All else that is done for the object goes on.
//
//	cause.go    what may lie behind a failure, and whether it counts
//	open.go     before the phases run: which are suspended, which are tried again, and why
//	close.go    after they ran: what is counted, put into quarantine, put back, or over
//	census.go   whether most objects of a kind fail by the same: then the fault is not theirs
//	ledger.go   what is remembered between two writes of the status
//
// open.go and close.go are pure: time and everything seen are inputs, and what is kept is the object's status alone, so that a restarted operator, or
// another one, goes on where the former one stood.
package quarantine
