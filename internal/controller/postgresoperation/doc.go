// Package postgresoperation carries out what a person asks for once: a switchover, a restart, a standby that is
// cloned anew, a forced promotion. It never chooses who leads: it asks instances, and watches what they publish.
//
//	controller.go  one reconcile: observe, decide, ask, report
//	observe.go     all reads
//	decide*.go     pure decisions: may it begin (decide_admission.go), and what is next, by type
//	ask.go         the one request that a step makes, and what a refusal of it means
//	report.go      status and events
//	history.go     which operations that have ended go
//
// All that an operation needs to go on is in its status, written before anything is asked: an operator that
// restarts in the middle goes on by what the world looks like.
package postgresoperation
