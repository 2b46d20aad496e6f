package sim

import (
	"fmt"
	"slices"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/postgres"
)

// ledger is what the world knows and no instance does.
type ledger struct {
	commits []*Commit
	// shown is a record that somebody was told of: acknowledged, or read on a leader that is open.
	shown []shown
	// by is the earliest timeline on which a leader showed it.
	by map[shown]int64
	// accepted losses: somebody took the Lease in a way that may lose what was shown, and was allowed to.
	accepted []acceptance
	// checked is the version of the Lease that was looked at last. LossOnly: nothing but what is lost is looked for.
	checked  int
	lossOnly bool

	// taken counts by which rule the Lease was taken.
	taken map[string]int
	// crashes at a point; halfways are those between the two parts of a change of the quorum.
	crashes, halfways map[point]int
	leaders, faults   int
	// rivals are the steps after which more than one leader was open.
	rivals    int
	violation string
}

type shown struct {
	position int
	record   Record
}

// acceptance of what timelines before this one have and the copy that it began with has not.
type acceptance struct {
	timeline int64
	copied   []Record
}

func newLedger() ledger {
	return ledger{by: map[shown]int64{}, taken: map[string]int{}, crashes: map[point]int{}, halfways: map[point]int{}, checked: 1}
}

func (l *ledger) show(s shown, timeline int64) {
	before, known := l.by[s]
	if !known {
		l.shown = append(l.shown, s)
	}
	if !known || timeline < before {
		l.by[s] = timeline
	}
}

func (l *ledger) excused(s shown) bool {
	return slices.ContainsFunc(l.accepted, func(a acceptance) bool {
		return s.record.Timeline < a.timeline && (s.position >= len(a.copied) || a.copied[s.position] != s.record)
	})
}

// notice what was acknowledged meanwhile, and that it is on whoever is open.
func (w *World) notice() {
	w.commits = slices.DeleteFunc(w.commits, func(commit *Commit) bool {
		if commit.Acknowledged {
			s := shown{commit.Position, commit.Record}
			w.show(s, s.record.Timeline)
			w.tell("acknowledged: %+v at %d", commit.Record, commit.Position)
			w.checkAcknowledged(s)
			w.checkPublished(s)
		}
		return commit.Acknowledged
	})
	w.checkLeaders()
}

// checkLeaders: of all servers that are open, at most one is able to acknowledge. Several may be open at a time: one that was replaced learns of it late, and
// may open late. But whoever voted to replace it had detached before, and never attaches to it again, so that too few are left to it.
//
// A server is able to acknowledge where it is out of recovery, open and not stopping, and where a commit that is written now would be
// acknowledged without anybody attaching anew, or any setting being taken: nobody is waited for; or enough of those that are have a walreceiver attached to this
// server. It does not matter that the network is cut, or a process frozen: what is attached goes on when that ends. Nor what the Lease says.
//
// Two that are parted by a loss that was accepted are excused: it is what was accepted.
func (w *World) checkLeaders() {
	open := 0
	for _, nd := range w.nodes {
		if nd.server != nil && nd.server.Open && !nd.server.Recovery {
			open++
		}
	}
	if open < 2 {
		return
	}
	w.rivals++
	var able []*node
	for _, nd := range w.nodes {
		if nd.server == nil || !nd.server.Acknowledges(w.attached) {
			continue
		}
		for _, other := range able {
			if !w.lossOnly && !w.rules.AnyAcknowledges && w.violation == "" && !w.parted(nd.server.timeline(), other.server.timeline()) {
				w.violation = fmt.Sprintf("%s and %s are both able to acknowledge, on timelines %d and %d",
					other.name, nd.name, other.server.timeline(), nd.server.timeline())
			}
		}
		able = append(able, nd)
	}
}

// attached tells that a walreceiver runs at the other end of a walsender.
func (w *World) attached(sender *Sender) bool {
	return slices.ContainsFunc(w.nodes, func(nd *node) bool {
		return nd.server != nil && nd.server.Receiver != nil && nd.server.Receiver.sender == sender
	})
}

// parted: between two timelines somebody took the Lease in a way that may lose something.
func (l *ledger) parted(a, b int64) bool {
	return slices.ContainsFunc(l.accepted, func(loss acceptance) bool { return min(a, b) < loss.timeline && loss.timeline <= max(a, b) })
}

// checkAcknowledged: a leader of a later timeline that is open already must have it too.
func (w *World) checkAcknowledged(s shown) {
	for _, nd := range w.nodes {
		if nd.server != nil && nd.server.Open && !nd.server.Recovery && w.lost(nd, s) {
			w.violation = fmt.Sprintf("the record %+v at %d is acknowledged while %s leads without it", s.record, s.position, nd.name)
		}
	}
}

// lost tells that a leader should have a record and does not. One that was frozen may open late, without what a later one has shown
// meanwhile: it can acknowledge nothing, but to those who follow it still.
func (w *World) lost(nd *node, s shown) bool {
	return w.by[s] <= nd.data.LastTimeline() && !nd.data.Has(s.position, s.record) && !w.excused(s)
}

// opens: a leader that opens has whatever anybody was ever told; remember what it shows from now on.
func (w *World) opens(nd *node) {
	w.leaders++
	for _, s := range w.shown {
		if w.lost(nd, s) {
			w.violation = fmt.Sprintf("%s opens in term %d without the record %+v at %d, which was shown", nd.name, nd.lease.Term, s.record, s.position)
			return
		}
	}
	for position, record := range nd.data.WAL {
		if record.Value != 0 {
			w.show(shown{position, record}, nd.data.LastTimeline())
		}
	}
}

// published: the Lease has changed, and must not promise more than there is.
func (w *World) published() {
	if _, version, _ := w.api.Read(); version == w.checked {
		return
	}
	w.checked = len(w.api.versions) - 1
	for _, s := range w.shown {
		w.checkPublished(s)
	}
}

// checkPublished: of the members in the Lease at most |M| − q lack a record that was shown. A disk that is gone lacks nothing: nobody will ever
// vote with it.
func (w *World) checkPublished(s shown) {
	record, _, _ := w.api.Read()
	if w.lossOnly || w.violation != "" || w.excused(s) || w.api.Lost() {
		return
	}
	var lacking []string
	for incarnation := range record.Quorum.Members {
		if copied := w.volumeOf(incarnation); copied != nil && copied.data != nil && !copied.data.Has(s.position, s.record) {
			lacking = append(lacking, incarnation)
		}
	}
	if len(lacking) > len(record.Quorum.Members)-record.Quorum.Required {
		w.violation = fmt.Sprintf("the Lease says that %d of %v have what was shown, and %v lack the record %+v at %d",
			record.Quorum.Required, record.Quorum.Members, lacking, s.record, s.position)
	}
}

// volumeOf a copy, wherever it is; nil where there is none any more.
func (w *World) volumeOf(incarnation string) *volume {
	for _, nd := range w.nodes {
		if nd.incarnation == incarnation {
			return nd.volume
		}
		for _, aside := range nd.aside {
			if aside.incarnation == incarnation {
				return aside
			}
		}
	}
	return nil
}

// accepts tells what is to be noted should this update land, nil for nothing: that something may be lost by it. Whether that
// is allowed is seen by the Lease that it replaces, and by what a human has asked for.
func (w *World) accepts(nd *node, step election.Step) func() {
	forced := nd.force && step.Rule == "forced_member_leads_alone"
	expired := step.Rule == "asynchronous_member_takes_what_expired" && nd.lease.Quorum.Mode == election.ModeAsynchronous
	if !forced && !expired {
		return nil
	}
	loss := acceptance{step.Record.Timeline, slices.Clone(nd.data.WAL)}
	published, _ := postgres.ParseLSN(nd.lease.Position)
	return func() {
		for _, s := range w.shown {
			if expired && s.position < int(published)-maxLag && w.lost(nd, s) {
				w.violation = fmt.Sprintf("%s takes what expired without the record %+v at %d, which was shown when %d was published",
					nd.name, s.record, s.position, published)
			}
		}
		w.accepted = append(w.accepted, loss)
	}
}
