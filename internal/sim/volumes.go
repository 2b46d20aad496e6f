package sim

import (
	"fmt"
	"maps"
	"slices"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/postgres"
)

// volume is what is on the disks of an instance: data, and beside it what it has promised and told.
type volume struct {
	// data is nil on a volume that is empty, or on which a clone is not finished.
	data        *Data
	incarnation string
	promise     int64
	disclaimed  int64
	told        election.Quorum
	toldTerm    int64
	// lineage as ever read.
	lineage election.Lineage
	// What was seen of the Lease, as far as it is written down.
	noted noted
	// broken by a rewind that is not finished.
	broken bool
}

// empty volume, as a new disk is.
func empty() *volume { return &volume{lineage: election.Lineage{}} }

// end of the WAL.
func (v *volume) end() int {
	if v.data == nil {
		return 0
	}
	return len(v.data.WAL)
}

func (v *volume) position() election.Position {
	if v.data == nil {
		return election.Position{}
	}
	return election.Position{Term: v.lineage.Term(v.data.LastTimeline()), At: at(v.end())}
}

// clone that is under way.
type clone struct {
	from *Server
	// copied is the WAL that there was when it began: what comes until it ends is replayed before the copy is consistent.
	copied   []Record
	timeline int64
}

// wipe the disks of a node; what runs there ends.
func (w *World) wipe(nd *node) {
	w.crash(nd)
	former := nd.volume
	nd.volume = empty()
	if w.rules.WipedVotes {
		nd.incarnation = former.incarnation
		nd.data = &Data{Timeline: 1, StandbySignal: true, Begun: map[int64]bool{}}
		w.configure(nd, former.told, former.toldTerm)
	}
	w.tell("%s: wiped", nd.name)
}

// swap the volume of a node for an empty one, or for one that was set aside before.
func (w *World) swap(nd *node) {
	w.crash(nd)
	nd.aside = append(nd.aside, nd.volume)
	nd.volume = empty()
	if w.chance(70) {
		nd.bringBack(w.rng.IntN(len(nd.aside)))
	}
	w.tell("%s: has the volume of %q", nd.name, nd.incarnation)
}

// bringBack a volume that was set aside.
func (nd *node) bringBack(at int) {
	nd.volume = nd.aside[at]
	nd.aside = slices.Delete(nd.aside, at, at+1)
}

// cloneData of the holder, a step at a time. It is begun again where the server that it comes from has gone.
func (w *World) cloneData(nd *node) {
	leader := w.reached(nd, nd.lease.Holder)
	if leader == nil || leader.server == nil {
		nd.clone = nil
		return
	}
	switch source := leader.server; {
	case nd.clone == nil || nd.clone.from != source:
		w.stop(nd)
		w.incarnations++
		nd.volume = &volume{incarnation: fmt.Sprintf("%s.%d", nd.name, w.incarnations), lineage: nd.lineage, noted: nd.noted}
		nd.clone = &clone{source, slices.Clone(source.Data.WAL), source.Data.Timeline}
	case w.chance(40):
		nd.data = &Data{
			WAL: nd.clone.copied, ConsistentAt: len(source.Data.WAL), Timeline: nd.clone.timeline,
			StandbySignal: true, Begun: maps.Clone(source.Data.Begun),
		}
		nd.clone, nd.irreparable = nil, false
		w.configure(nd, nd.lease.Quorum, nd.lease.Term)
	}
}

// rewind a copy that went its own way: back to the fork of the first timeline that it does not know. In between it cannot be started.
func (w *World) rewind(nd *node, step election.Step) {
	leader := w.reached(nd, nd.lease.Holder)
	if leader == nil || leader.server == nil {
		return
	}
	if !nd.broken {
		w.stop(nd)
		nd.broken, nd.rewinding = true, true
		return
	}
	if !w.passes(nd, rewindBegin, step) {
		return
	}
	if !w.healed && w.chance(10) {
		nd.irreparable = true
		return
	}
	common := forked(nd.data.WAL, nd.lease.History)
	nd.data.WAL, nd.data.StandbySignal = nd.data.WAL[:common], true
	nd.data.ConsistentAt = len(leader.data.WAL)
	nd.data.Timeline = max(1, nd.data.LastTimeline())
	maps.Copy(nd.data.Begun, leader.data.Begun)
	nd.broken = !w.passes(nd, rewindDone, step)
	nd.rewinding = false
}

// forked is where a copy left the line of a history: at its first record of a timeline that the history has not, or where the next one
// of those that it has begins.
func forked(wal []Record, history []election.Fork) int {
	for position, record := range wal {
		known := record.Timeline == 1
		for _, fork := range history {
			begins, _ := postgres.ParseLSN(fork.At)
			known = known || fork.Timeline == record.Timeline
			if fork.Timeline > record.Timeline && position >= int(begins) {
				return position
			}
		}
		if !known {
			return position
		}
	}
	return len(wal)
}

// at is a position as the election sees it: counted in records.
func at(records int) postgres.LSN { return postgres.LSN(records) }
