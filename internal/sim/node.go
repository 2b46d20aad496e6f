package sim

import (
	"fmt"
	"maps"
	"slices"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/postgres"
)

// node is an instance: what is on its volume, what runs, and what it has read.
type node struct {
	name string
	*volume
	// aside are volumes that were taken away, and may be brought back.
	aside []*volume

	// Gone for good, frozen until a moment, its disk stalled, its way to the API cut; clock is how far its clock is off.
	up, gone, stalled, apiCut bool
	frozenUntil, clock        int
	memory

	server          *Server
	opensAt, toldAt int
	// since are the walsenders that started after what was told was seen to be effective.
	effective bool
	since     []*Sender
	clone     *clone
}

// memory of an instance manager, gone when it is.
type memory struct {
	lease election.Record
	// unsettled: updates that were sent over this revision or an earlier one may land yet; -1 where it is not known.
	unsettled int64
	// unsettledQuorum is the like for those that would have published another quorum.
	unsettledQuorum int64
	// lost is what was read of a Lease that counts for nothing; nil where it is in order. highest revision that was ever read.
	lost    *election.Record
	highest int64
	version int
	fresh   bool
	// silent: the API did not answer lately.
	silent bool
	// held is the step in the middle of which it was frozen.
	held *election.Step
	// seenAt and renewedAt: when it first read the revision, and when it sent the last renewal that succeeded.
	seenAt, renewedAt int

	// crashed: the server of the program before this one ended with it, and none has led here since.
	crashed     bool
	follows     string
	followsTerm int64
	suspect     bool
	leave       bool
	handOver    string
	force       bool
	irreparable bool
	// rewinding is what it does with a copy that is broken; one that it finds broken is not rewound a second time.
	rewinding bool
	wanted    election.Quorum
	votes     map[string]election.Vote
	holds     map[string]election.Position
}

func forgetful() memory {
	return memory{version: -1, unsettled: -1, votes: map[string]election.Vote{}, holds: map[string]election.Position{}, renewedAt: -leaseDuration, seenAt: 0}
}

// What the clock counts in asynchronous mode, in steps of the world, and how much may be lost then, in records.
const (
	leaseDuration = 300
	maxLag        = 5
)

// member is what a node sees.
func (w *World) member(nd *node) election.Member {
	m := election.Member{
		Self: nd.name, Incarnation: nd.incarnation, Lease: nd.lease, Fresh: nd.fresh, Settled: nd.lease.Revision > nd.unsettled, Promise: nd.promise, Told: nd.told,
		ToldTerm: nd.toldTerm, AttachedTo: nd.follows, AttachedTerm: nd.followsTerm, Attached: nd.follows != "", APISilent: nd.silent, HandOver: nd.handOver, Holds: nd.holds, MaxLag: maxLag, Force: nd.force,
		CutOff: nd.apiCut && nd.silent && w.now%7 == 0, Suspects: nd.suspect, Leave: nd.leave, Renew: w.chance(1), TakeBack: w.chance(5), OpensAt: at(nd.opensAt), ToldAt: at(nd.toldAt), Effective: nd.effective,
		Position: nd.position(), Flushed: map[string]postgres.LSN{}, Wanted: nd.lease.Quorum, Empty: nd.data == nil, Broken: nd.broken,
		Irreparable: nd.irreparable || nd.broken && !nd.rewinding,
	}
	m.Disclaimed = nd.disclaimed
	m.Crashed, m.EndsKnown, m.Ends, m.Reaches = nd.crashed && nd.lease.HolderIncarnation == nd.incarnation, true, at(nd.end()), map[string]election.Position{}
	for _, other := range w.nodes {
		if w.reached(nd, other.name) != nil && other.server != nil {
			m.Reaches[other.incarnation] = other.position()
		}
	}
	for _, vote := range nd.votes {
		m.Votes = append(m.Votes, vote)
	}
	m.Expired = w.now+nd.clock-nd.seenAt > leaseDuration
	if nd.lease.Holder == nd.name {
		since := w.now + nd.clock - nd.renewedAt
		m.Expired = since > leaseDuration
		m.Renew = m.Renew || (nd.lease.Quorum.Mode == election.ModeAsynchronous && since > leaseDuration/3)
	}
	if w.rules.ModeFromSpec && nd.lease.Holder != nd.name {
		m.Lease = nd.lease.Copy()
		m.Lease.Quorum.Mode = w.asked.Mode
	}
	if nd.data != nil {
		m.ControlTimeline, m.Timeline, m.ShutDown = nd.data.Timeline, nd.data.LastTimeline(), nd.data.ShutDown
		m.Line = nd.lineage.Line(m.Timeline)
		m.TimelineTaken = nd.data.Begun[nd.lease.Timeline] && nd.data.Timeline != nd.lease.Timeline
	}
	if w.rules.ComparesTimelines && nd.data != nil {
		m.Position.Term = slices.Max(slices.Collect(maps.Keys(nd.data.Begun)))
	}
	if nd.server != nil {
		w.observe(nd, &m)
	}
	return m
}

// observe the server that runs.
func (w *World) observe(nd *node, m *election.Member) {
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
		if sender.ended {
			continue
		}
		for incarnation, instance := range nd.members() {
			if w.senderName(incarnation, instance, nd.toldTerm) == sender.Name {
				m.Flushed[incarnation] = max(m.Flushed[incarnation], at(sender.Flushed))
			}
		}
	}
	m.Wanted = w.wanted(nd)
}

// members of any quorum that it has read or told.
func (nd *node) members() map[string]string {
	all := maps.Clone(nd.lease.Quorum.Members)
	maps.Copy(all, nd.told.Members)
	return all
}

// turn of a node: one step of what the rules say.
func (w *World) turn(nd *node) {
	if !w.awake(nd) {
		return
	}
	if nd.held != nil { // it goes on in the middle of what it did when it was frozen
		step := *nd.held
		nd.held = nil
		w.do(nd, step)
		return
	}
	nd.silent = nd.silent && !w.chance(30)
	if nd.lease.Revision == 0 && nd.lost == nil || w.chance(20) {
		w.read(nd)
		return
	}
	step := w.decide(nd)
	if nd.stalled && onDisk(step.Verb) {
		return
	}
	if !w.healed && w.rng.IntN(500) == 0 {
		w.freeze(nd)
		nd.held = &step
		return
	}
	w.do(nd, step)
}

// onDisk: it hangs where the disk does.
func onDisk(verb election.Verb) bool {
	switch verb {
	case election.Rest, election.ReadLease, election.WriteLease, election.Stop:
		return false
	default:
		return true
	}
}

// detail of a step, for the story.
func detail(step election.Step) string {
	switch step.Verb {
	case election.Tell:
		return fmt.Sprintf(": %d of %v", step.Quorum.Required, slices.Sorted(maps.Keys(step.Quorum.Members)))
	case election.WriteLease:
		quorum := step.Record.Quorum
		return fmt.Sprintf(": %q, %s, %d of %v", step.Record.Holder, quorum.Mode, quorum.Required, slices.Sorted(maps.Keys(quorum.Members)))
	case election.MakePromise:
		return fmt.Sprintf(": %d", step.Revision)
	default:
		return ""
	}
}

func (w *World) do(nd *node, step election.Step) {
	if step.Verb != election.Rest && step.Verb != election.ReadLease {
		w.tell("%s: %s (%s) at revision %d, term %d%s", nd.name, step.Verb, step.Rule, nd.lease.Revision, nd.lease.Term, detail(step))
	}
	switch step.Verb {
	case election.Rest, election.Wait:
	case election.ReadLease:
		w.read(nd)
	case election.WriteLease:
		if w.passes(nd, leaseWrite, step) {
			w.update(nd, step)
			w.passes(nd, leaseSent, step)
		}
	case election.Detach:
		nd.follows = ""
		if nd.server != nil {
			nd.server.Disconnect()
		}
	case election.Attach:
		nd.follows, nd.followsTerm = nd.lease.Holder, step.Term
	case election.Disclaim:
		nd.disclaimed = nd.lease.Term
	case election.MakePromise:
		nd.promise = step.Revision
	case election.StartStandby, election.StartPrimary:
		w.start(nd, step.Verb == election.StartStandby)
	case election.Stop:
		w.stop(nd)
	case election.Rewind:
		w.rewind(nd, step)
	case election.Clone:
		w.cloneData(nd)
	case election.Tell:
		w.tellQuorum(nd, step)
	default:
		if nd.server != nil { // it may have gone while this one was frozen
			w.doInServer(nd, step.Verb)
		}
	}
}

// doInServer does what needs one that runs.
func (w *World) doInServer(nd *node, verb election.Verb) {
	switch verb {
	case election.CloseDoor:
		nd.server.Open = false
	case election.OpenDoor:
		if !nd.server.Recovery {
			w.opens(nd)
		}
		nd.server.Open = true
	case election.EndRecovery:
		taken := nd.server.BeginPromotion(nd.lease.Timeline)
		if !w.healed && w.chance(20) {
			w.stop(nd)
			return
		}
		nd.server.EndRecovery(taken)
		nd.crashed = false
		nd.opensAt = len(nd.data.WAL)
	case election.Checkpoint:
		nd.server.Checkpoint()
	case election.StopForHandover:
		nd.server.StopFast()
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

// tellQuorum writes down whom commits wait for, and then configures it. A server that is started begins with what is written down.
func (w *World) tellQuorum(nd *node, step election.Step) {
	if !w.passes(nd, tellBegin, step) {
		return
	}
	nd.told, nd.toldTerm, nd.effective, nd.since = step.Quorum.Copy(), step.Term, false, nil
	if w.passes(nd, tellWritten, step) {
		w.configure(nd, step.Quorum, step.Term)
	}
}

func (w *World) configure(nd *node, quorum election.Quorum, term int64) {
	nd.told, nd.toldTerm, nd.effective, nd.since = quorum.Copy(), term, false, nil
	setting := w.settingOf(nd.told, term, nd.incarnation)
	if nd.server == nil {
		nd.data.Setting = setting
		return
	}
	nd.server.Configure(setting)
}

func (w *World) start(nd *node, standby bool) {
	if nd.data == nil { // what no rule allows, and a broken one may: initdb
		nd.data = &Data{Timeline: nd.lease.Timeline, Begun: map[int64]bool{}}
	}
	if nd.broken && !w.lossOnly && w.violation == "" {
		w.violation = nd.name + " starts a copy whose rewind was interrupted"
	}
	nd.data.StandbySignal = standby
	w.writers++
	if w.rules.ForgetsTold {
		nd.told, nd.toldTerm = nd.lease.Quorum.Copy(), nd.lease.Term
	}
	if !w.rules.KeepsSetting {
		w.configure(nd, nd.told, nd.toldTerm)
	}
	nd.server = Start(nd.data, w.writers)
	nd.crashed = nd.crashed && standby
	nd.effective, nd.since, nd.opensAt, nd.wanted = false, nil, len(nd.data.WAL), election.Quorum{}
}

func (w *World) stop(nd *node) {
	if nd.server != nil {
		nd.server.Stop()
	}
	nd.server, nd.effective, nd.since, nd.follows = nil, false, nil, ""
}
