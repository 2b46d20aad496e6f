// Package election decides who leads: as a pure state machine, without a
// Kubernetes client, a clock or a network. Observations go in, actions come out.
// The protocol and its proof are described in docs/high-availability.md.
//
//	record.go   the content of the Lease, the one object that arbitrates
//	lease.go    how that content is written into a Lease, with its checksum
//	quorum.go   who must have flushed a commit, and how that may change
//	vote.go     who may take the Lease from a leader
//	steps*.go   what a member does next, one primitive step at a time
//	observe.go  what a decision is made from, and what it says
//	decide.go   the decision: a list of named rules, the first that applies counts
//	rules_*.go  the rules, by situation
package election

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Mark in place of a system identifier in the Lease: the instance that may create the PostgreSQL system.
const bootstrapMark = "bootstrap="

// Record is the content of the Lease `<cluster>-primary`: who leads, in which term, and for which system.
// The zero Record is a Lease that was made empty.
type Record struct {
	// Holder is the instance that leads; "" where it was released or nobody has led yet.
	Holder string
	// HolderIncarnation is the identity of the holder's copy of the data.
	HolderIncarnation string
	// Address at which the holder's pod is reached, so that followers do without DNS.
	Address string
	// Term grows by one with each new leader; leaseTransitions in the Lease.
	Term int64
	// Revision grows by one with every change, renewals too. It orders what was read.
	Revision int64
	// Timeline that this term's promotion takes; grows by one with the term, so no two promotions share one.
	Timeline int64
	// System is the system identifier, decimal; or Bootstrap(instance) before initdb; or "".
	System string
	// Quorum that is published.
	Quorum Quorum
	// History tells which term made which timeline, and where it forked; the latest ones.
	History []Fork
	// Position of the leader's WAL at the last renewal.
	Position string
	// Handover is the instance that a leader that leaves names: it alone takes a Lease without a holder, and needs no votes. "" for none.
	Handover string
	// LastFailover is how this term began; nil in the first one.
	LastFailover *Failover
}

// Failover from one leader to the next.
type Failover struct {
	From string `json:"from,omitempty"`
	To   string `json:"to"`
	// Cause in one CamelCase word: Handover, Released, LeaderSilent, LeaderDown, Forced, …
	Cause string `json:"cause"`
	// SuspectedAt is when the new leader first missed the former one, by its own clock; OpenedAt when it let clients in, zero before.
	SuspectedAt time.Time `json:"suspectedAt"`
	OpenedAt    time.Time `json:"openedAt,omitzero"`
}

// Mode of replication, as published.
type Mode string

// Modes of replication.
const (
	// ModeAsynchronous: a commit waits for nobody.
	ModeAsynchronous Mode = "Asynchronous"
	// ModeQuorum: a commit waits until `required` members have flushed it.
	ModeQuorum Mode = "Quorum"
)

// Quorum is (M, q) and the mode: every acknowledged commit is flushed on at least Required of Members.
type Quorum struct {
	Mode Mode `json:"mode"`
	// Members by incarnation; the value is the instance's name.
	Members map[string]string `json:"members"`
	// Required counts the leader like any other.
	Required int `json:"required"`
}

// Fork is where a timeline began.
type Fork struct {
	Term     int64 `json:"term"`
	Timeline int64 `json:"timeline"`
	// At is the WAL location at which this timeline forked from its parent.
	At string `json:"at"`
}

// Bootstrap is the mark that lets this instance, and nobody else, create the system.
func Bootstrap(instance string) string { return bootstrapMark + instance }

// Bootstraps is the instance that the mark names; ok is false where System is no mark.
func (r Record) Bootstraps() (instance string, ok bool) {
	return strings.CutPrefix(r.System, bootstrapMark)
}

// HasSystem tells that System is the identifier of a PostgreSQL system.
func (r Record) HasSystem() bool {
	_, marked := r.Bootstraps()
	return r.System != "" && !marked
}

// MemberNames are the instances' names of the published members, sorted, each once.
func (r Record) MemberNames() []string {
	return slices.Compact(slices.Sorted(maps.Values(r.Quorum.Members)))
}

// Copy can be changed without changing r.
func (r Record) Copy() Record {
	r.Quorum.Members = maps.Clone(r.Quorum.Members)
	r.History = slices.Clone(r.History)
	if r.LastFailover != nil {
		last := *r.LastFailover
		r.LastFailover = &last
	}
	return r
}

// empty tells that it is the zero Record.
func (r Record) empty() bool {
	return r.Holder == "" && r.Term == 0 && r.Revision == 0 && r.Timeline == 0 && r.System == "" && len(r.Quorum.Members) == 0
}
