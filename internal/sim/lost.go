package sim

import (
	"slices"

	"github.com/timonier-io/timonier/internal/election"
)

// noted is what a volume keeps of the Lease, as package volumes of the instance manager does: not every renewal.
type noted struct {
	revision, term, timeline int64
	holder                   string
	quorum                   election.Quorum
	members                  []string
}

// see notes what a record says, on disk where that is to be written down.
func (nd *node) see(record election.Record) {
	news := nd.lineage.Learn(record)
	nd.highest = max(nd.highest, record.Revision)
	s := &nd.noted
	write := news || record.Term > s.term || record.Timeline > s.timeline || record.Holder != s.holder || !record.Quorum.Equal(s.quorum) ||
		record.Revision >= s.revision+election.RevisionMargin/2 || nd.promise >= s.revision && record.Revision > nd.promise && nd.promise > 0
	s.term, s.timeline = max(s.term, record.Term), max(s.timeline, record.Timeline)
	if write {
		s.revision = max(s.revision, record.Revision)
		s.holder, s.quorum, s.members = record.Holder, record.Quorum.Copy(), record.MemberNames()
	}
}

// loseLease: it is emptied, as after it was deleted, or restored to what it was once.
func (w *World) loseLease() {
	w.faults++
	record := w.api.versions[1+w.rng.IntN(len(w.api.versions)-1)].record
	believed := func(nd *node) bool { return nd.newest() <= record.Revision }
	if w.chance(50) || slices.ContainsFunc(w.nodes, believed) {
		record = election.Record{} // a member that has seen nothing newer takes what is restored for what is true
	}
	w.api.Lose(record)
	w.tell("the Lease is lost: it is at revision %d", record.Revision)
}

// decide what a node does next: by the rules of a member where the Lease is in order, else by those for one that is lost.
func (w *World) decide(nd *node) election.Step {
	if nd.lost == nil {
		return w.rules.Next(w.member(nd))
	}
	o := election.Observation{
		Self: nd.name, Lease: election.Lease{Readable: !nd.silent, Exists: true, Record: nd.lost.Copy()},
		Own: w.report(nd), Running: running(nd), Member: w.member(nd), Peers: map[string]election.Peer{},
	}
	for _, other := range w.nodes {
		o.Instances = append(o.Instances, other.name)
		if w.reached(nd, other.name) != nil {
			leads := other.server != nil && !other.server.Recovery && other.server.Open && other.lease.Holder == other.name
			o.Peers[other.name] = election.Peer{Volume: w.report(other), Leads: leads, Since: true}
		}
	}
	if nd.lease.Holder == nd.name && nd.lease.HolderIncarnation == nd.incarnation {
		led := nd.lease.Copy()
		o.Led, o.LedUnsettled = &led, nd.unsettled < 0 || nd.unsettledQuorum >= led.Revision
		o.LedExpired = o.Member.Expired
		if w.rules.WritesAnyLostLease {
			o.Led.Quorum.Members = map[string]string{nd.incarnation: nd.name}
		}
	}
	if w.rules.OrphansDoNotVote {
		o.Own.Promise = o.Own.Revision
	}
	step := election.Decide(o)
	if step.Rule == "leader_writes_its_record_again" && step.Verb == election.WriteLease {
		step.Record.Quorum = nd.lease.Quorum.Copy()
	}
	return step
}

func running(nd *node) election.Running {
	switch {
	case nd.server == nil:
		return election.NotRunning
	case nd.server.Recovery:
		return election.RunningAsStandby
	}
	return election.RunningAsPrimary
}

// report of a volume, as others are told.
func (w *World) report(nd *node) election.Volume {
	v := election.Volume{
		Initialised: nd.data != nil && !nd.broken, EverInitialised: nd.incarnation != "", System: "7711", Incarnation: nd.incarnation,
		Revision: max(nd.highest, nd.newest()), Promise: nd.promise, PromiseKnown: !w.rules.OrphansDoNotVote,
		HighestTerm: nd.noted.term, HighestTimeline: nd.noted.timeline, Members: slices.Clone(nd.noted.members),
	}
	if nd.data == nil {
		return v
	}
	v.Timeline, v.Position = nd.data.LastTimeline(), at(nd.end())
	v.Term = nd.lineage.Term(v.Timeline)
	v.PositionKnown = nd.server == nil && nd.data.ShutDown
	if nd.server != nil {
		v.PositionKnown = nd.server.Recovery && nd.follows == "" && nd.server.Receiver == nil && nd.server.Replayed == nd.end() && nd.server.Consistent()
	}
	return v
}

// newest revision that a volume knows of: what was promised was read.
func (v *volume) newest() int64 { return max(v.noted.revision, v.promise) }
