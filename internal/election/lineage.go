package election

import "slices"

// Lineage is where each timeline began, as was ever read in the Lease. It is kept beside the data: the Lease's history is that of one line, and drops
// timelines on which another copy may still be.
type Lineage map[int64]Origin

// Origin of a timeline: its parent, the term that made it, and where it forked. The first timeline has no parent.
type Origin struct {
	Parent int64  `json:"parent,omitempty"`
	Term   int64  `json:"term"`
	At     string `json:"at"`
}

// Learn what a record's history tells, and whether that was news. What was read later is right: the fork of a timeline may be corrected before
// anything is written on it.
func (l Lineage) Learn(record Record) (news bool) {
	var parent int64
	for i, fork := range record.History {
		if i == 0 {
			parent = l[fork.Timeline].Parent // the history was cut off before it
		}
		origin := Origin{Parent: parent, Term: fork.Term, At: fork.At}
		news = news || l[fork.Timeline] != origin
		l[fork.Timeline] = origin
		parent = fork.Timeline
	}
	return news
}

// Term that made a timeline. Where that was never read, the latest one that was and made an earlier timeline, 0 for none: a copy that has records of such a
// timeline was never counted for one of them, since who follows in a term has read its record; but it may be for all that it got before. Numbers of
// timelines grow with the term.
func (l Lineage) Term(timeline int64) int64 {
	var latest int64
	for known := range l {
		if known <= timeline {
			latest = max(latest, known)
		}
	}
	return l[latest].Term
}

// Line of a timeline: itself and all that it descends from, the oldest first; empty where it was never read of.
func (l Lineage) Line(timeline int64) []Fork {
	var line []Fork
	for {
		origin, known := l[timeline]
		if !known {
			break
		}
		line = append(line, Fork{Term: origin.Term, Timeline: timeline, At: origin.At})
		if origin.Parent >= timeline {
			break // numbers grow along a line
		}
		timeline = origin.Parent
	}
	slices.Reverse(line)
	return line
}
