package sim

import (
	"maps"
	"slices"

	"github.com/timonier-io/timonier/internal/election"
)

// Reading and writing the Lease, as an instance does.

func (w *World) read(nd *node) {
	if w.apiDown || nd.apiCut {
		nd.silent = true
		return
	}
	record, version, exists := w.api.Read()
	if w.rules.ReadsCache && w.chance(30) {
		record, version, exists = w.api.ReadCached(w.rng.IntN)
		nd.lease.Revision = 0
	}
	if !exists {
		return
	}
	if w.rules.LosesLease && record.Revision < max(nd.highest, nd.newest()) {
		nd.lost, nd.version = &record, version
		return
	}
	if record.Revision < nd.lease.Revision {
		return
	}
	nd.lost = nil
	if nd.unsettled < 0 {
		// What it sent before it was restarted may still land over this one.
		nd.unsettled, nd.unsettledQuorum = record.Revision, record.Revision
	}
	if record.Revision != nd.lease.Revision {
		nd.seenAt = w.now + nd.clock
	}
	nd.lease, nd.version, nd.fresh = record, version, true
	nd.see(record)
}

// update the Lease: refused, done, done without an answer, or landing later if at all.
func (w *World) update(nd *node, step election.Step) {
	record, sentAt := step.Record, w.now+nd.clock
	if w.rules.RefreshesIncarnations {
		record = w.refreshed(nd, record)
	}
	if w.rules.ModeFromSpec && step.Rule == "asynchronous_member_takes_what_expired" {
		record.Quorum.Mode = nd.lease.Quorum.Mode
	}
	taking := w.accepts(nd, step)
	if w.apiDown || nd.apiCut || w.chance(10) {
		nd.silent = w.apiDown || nd.apiCut
		if !nd.silent || w.chance(40) {
			w.api.Send(nd.version, record, taking)
		}
		nd.doubts(record)
		return
	}
	if !w.api.Update(nd.version, record) {
		nd.fresh = false
		return
	}
	if taking != nil {
		taking()
	}
	if record.Term > nd.lease.Term {
		w.taken[step.Rule]++
	}
	w.published()
	if w.chance(10) { // done, and the answer is lost
		nd.doubts(record)
		return
	}
	if record.Holder != nd.lease.Holder {
		nd.leave, nd.handOver, nd.force = false, "", false
	}
	nd.renewedAt = sentAt
	w.read(nd)
}

// doubts what has become of a record that it sent.
func (nd *node) doubts(record election.Record) {
	nd.fresh, nd.unsettled = false, nd.lease.Revision
	if !record.Quorum.Equal(nd.lease.Quorum) {
		nd.unsettledQuorum = nd.lease.Revision
	}
}

// refreshed members, as somebody would have them who forgets that another disk is another member.
func (w *World) refreshed(writer *node, record election.Record) election.Record {
	for _, incarnation := range slices.Sorted(maps.Keys(record.Quorum.Members)) {
		instance := record.Quorum.Members[incarnation]
		for _, nd := range w.nodes {
			if nd.name == instance && nd != writer && nd.data != nil && nd.incarnation != incarnation {
				delete(record.Quorum.Members, incarnation)
				record.Quorum.Members[nd.incarnation] = instance
			}
		}
	}
	return record
}
