// Package postgrescluster turns a PostgresCluster into pods, volumes, services,
// secrets and certificates, rolls changes through them, and reports.
//
// It never decides who leads: the instances do that among themselves, with the
// Lease. What it does is a list of phases (phases.go) over one scope (scope.go):
//
//	observe*.go    all reads, once, before anything is decided
//	decide_*.go    pure decisions: no client, no clock
//	phase_*.go     the writes, one file a phase
//	report*.go     status and events, in one place
package postgrescluster
