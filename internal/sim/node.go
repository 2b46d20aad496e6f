package sim

import (
	"fmt"
	"maps"
	"slices"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/postgres"
)

// member is what a node sees.
func (w *World) member(nd *node) election.Member {
	m := election.Member{
		Self: nd.name, Incarnation: nd.incarnation, Lease: nd.lease, Fresh: nd.fresh, Settled: nd.lease.Revision > nd.unsettled, Promise: nd.promise, Told: nd.told,
		ControlTimeline: nd.data.Timeline, Timeline: nd.data.LastTimeline(), AttachedTo: nd.follows, Attached: nd.follows != "",
		Suspects: nd.suspect, Leave: nd.leave, Renew: w.chance(1), TakeBack: w.chance(5), OpensAt: at(nd.opensAt), ToldAt: at(nd.toldAt), Effective: nd.effective,
		Flushed: map[string]postgres.LSN{},
	}
	for _, vote := range nd.votes {
		m.Votes = append(m.Votes, vote)
	}
	m.Position = election.Position{Term: nd.terms[m.Timeline], At: at(len(nd.data.WAL))}
	m.Wanted = nd.lease.Quorum
	if nd.server == nil {
		return m
	}
	m.Running, m.Open = election.RunningAsPrimary, nd.server.Open
	if nd.server.Recovery {
		m.Running = election.RunningAsStandby
	}
	m.Attached = m.Attached || nd.server.Receiver != nil
	m.Replayed, m.Consistent = nd.server.Replayed == len(nd.data.WAL), nd.server.Consistent()
	counted := nd.since
	if w.rules.CountsAnyWalsender {
		counted = nd.server.Senders()
	}
	for _, sender := range counted {
		if !sender.ended {
			m.Flushed[sender.Name] = max(m.Flushed[sender.Name], at(sender.Flushed))
		}
	}
	m.Wanted = w.wanted(nd)
	return m
}

// wanted changes now and then, to anything that is possible: safety must not hang on what is wanted. Once all is healed it is
// what an operator would want: whoever streams, and a majority of all.
func (w *World) wanted(nd *node) election.Quorum {
	if !w.healed && nd.wanted.Required > 0 && !w.chance(3) {
		return nd.wanted
	}
	wanted := election.Quorum{Mode: election.ModeQuorum, Members: map[string]string{nd.incarnation: nd.name}, Required: 1}
	for _, sender := range nd.server.senders {
		if w.healed || w.chance(80) {
			for _, other := range w.nodes {
				if other.incarnation == sender.Name {
					wanted.Members[sender.Name] = other.name
				}
			}
		}
	}
	wanted.Required = min(len(w.nodes)/2+1, len(wanted.Members))
	if !w.healed && w.chance(30) {
		wanted.Required = 1 + w.rng.IntN(len(wanted.Members))
	}
	nd.wanted = wanted
	return wanted
}

// turn of a node: one step of what the rules say.
func (w *World) turn(nd *node) {
	if !nd.up {
		return
	}
	if nd.lease.Revision == 0 || w.chance(20) {
		w.read(nd)
		return
	}
	step := w.rules.Next(w.member(nd))
	if step.Verb != election.Rest && step.Verb != election.ReadLease {
		w.tell("%s: %s (%s) at revision %d, term %d%s", nd.name, step.Verb, step.Rule, nd.lease.Revision, nd.lease.Term, detail(step))
	}
	w.do(nd, step)
}

// detail of a step, for the story.
func detail(step election.Step) string {
	switch step.Verb {
	case election.Tell:
		return fmt.Sprintf(": %d of %v", step.Quorum.Required, slices.Sorted(maps.Values(step.Quorum.Members)))
	case election.WriteLease:
		return fmt.Sprintf(": %s, %d of %v", step.Record.Holder, step.Record.Quorum.Required, step.Record.MemberNames())
	case election.MakePromise:
		return fmt.Sprintf(": %d", step.Revision)
	default:
		return ""
	}
}

func (w *World) read(nd *node) {
	record, version, exists := w.api.Read()
	if w.rules.ReadsCache && w.chance(30) {
		record, version, exists = w.api.ReadCached(w.rng.IntN)
		nd.lease.Revision = 0
	}
	if exists && record.Revision >= nd.lease.Revision {
		if nd.unsettled < 0 {
			nd.unsettled = record.Revision // what it sent before it was restarted may still land over this one
		}
		nd.lease, nd.version, nd.fresh = record, version, true
		for _, fork := range record.History {
			nd.terms[fork.Timeline] = fork.Term
		}
	}
}

func (w *World) do(nd *node, step election.Step) {
	switch step.Verb {
	case election.Rest:
	case election.ReadLease:
		w.read(nd)
	case election.WriteLease:
		w.update(nd, step.Record)
	case election.Detach:
		nd.follows = ""
		if nd.server != nil {
			nd.server.Disconnect()
		}
	case election.Attach:
		nd.follows = nd.lease.Holder
	case election.MakePromise:
		nd.promise = step.Revision
	case election.StartStandby, election.StartPrimary:
		nd.data.StandbySignal = step.Verb == election.StartStandby
		w.start(nd)
	case election.Stop:
		w.stop(nd)
	case election.Rewind:
		w.mend(nd)
	case election.Tell:
		w.configure(nd, step.Quorum)
	default:
		w.doInServer(nd, step.Verb)
	}
}

// doInServer does what needs one that runs.
func (w *World) doInServer(nd *node, verb election.Verb) {
	switch verb {
	case election.CloseDoor:
		nd.server.Open = false
	case election.OpenDoor:
		if !nd.server.Recovery {
			w.check(nd)
			w.leaders++
		}
		nd.server.Open = true
	case election.EndRecovery:
		nd.server.EndRecovery(nd.lease.Timeline)
		nd.opensAt = len(nd.data.WAL)
	case election.Checkpoint:
		nd.server.Checkpoint()
	case election.MakeEffective:
		for _, sender := range nd.server.Senders() {
			nd.server.Terminate(sender)
		}
		nd.server.takeSetting()
		nd.effective, nd.toldAt, nd.since = true, len(nd.data.WAL), nil
	default:
		w.violation = "nobody knows how to " + string(verb)
	}
}

func (w *World) configure(nd *node, quorum election.Quorum) {
	nd.told, nd.effective, nd.since = quorum.Copy(), false, nil
	setting := settingOf(nd.told, nd.incarnation)
	if nd.server == nil {
		nd.data.Setting = setting
		return
	}
	nd.server.Configure(setting)
}

func (w *World) start(nd *node) {
	w.writers++
	if w.rules.ForgetsTold {
		nd.told = nd.lease.Quorum.Copy()
		nd.data.Setting = settingOf(nd.told, nd.incarnation)
	}
	nd.server = Start(nd.data, w.writers)
	nd.effective, nd.since, nd.opensAt, nd.wanted = false, nil, len(nd.data.WAL), election.Quorum{}
}

// update the Lease: refused, done, done without an answer, or landing later if at all.
func (w *World) update(nd *node, record election.Record) {
	if w.chance(10) {
		w.api.Send(nd.version, record)
		nd.fresh, nd.unsettled = false, nd.lease.Revision
		return
	}
	done := w.api.Update(nd.version, record)
	if !done {
		nd.fresh = false
		return
	}
	if w.chance(10) { // done, and the answer is lost
		nd.fresh, nd.unsettled = false, nd.lease.Revision
		return
	}
	if record.Holder != nd.lease.Holder {
		w.elections++
		nd.leave = false
	}
	w.read(nd)
}

// mend a copy that went its own way: back to the fork of the first timeline that it does not know.
func (w *World) mend(nd *node) {
	leader := w.named(nd.lease.Holder)
	if leader == nil || leader.server == nil {
		return
	}
	w.stop(nd)
	common := forked(nd.data.WAL, nd.lease.History)
	nd.data.WAL, nd.data.StandbySignal = nd.data.WAL[:common], true
	nd.data.ConsistentAt = len(leader.data.WAL)
	nd.data.Timeline = nd.data.LastTimeline()
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
